"""Pictures of an image with the contours of its cells: drawn ones, and those that were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.segmentation import find_boundaries

from napari_construct.classes import OKABE_ITO, rgb_of
from napari_construct.evaluation.scores.examples import encoded
from napari_construct.types import FloatArray

SIDE: Final = 512
"""Largest side of a picture in pixels; larger images show their middle, smaller ones are enlarged."""

TRUE: Final = OKABE_ITO[1]
FOUND: Final = OKABE_ITO[0]
"""Sky blue and orange."""

Which: TypeAlias = Literal["worst", "median", "best"]
Labels: TypeAlias = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class CellExample:
    """One image as pictures.

    Attributes
    ----------
    name : str
        Of the image.
    which : {"worst", "median", "best"}
        Its place among all images.
    score : float
        Dice of the first student.
    pictures : tuple of (str, bytes)
        Captions and PNG files: the channel, and the channel with contours.
    """

    name: str
    which: Which
    score: float
    pictures: tuple[tuple[str, bytes], ...]


def chosen_images(scores: Sequence[float | None], most: int) -> list[tuple[int, Which]]:
    """Indices of the ``most`` worst, median and best images; no image twice, none without a score."""
    order = sorted((score, i) for i, score in enumerate(scores) if score is not None)
    ranked = [i for _, i in order]
    start = max((len(ranked) - most) // 2, 0)
    parts: tuple[tuple[Which, list[int]], ...] = (
        ("worst", ranked[:most]),
        ("best", ranked[::-1][:most]),
        ("median", ranked[start : start + most]),
    )
    found: dict[int, Which] = {}
    for which, indices in parts:
        for i in indices:
            found.setdefault(i, which)
    wanted: tuple[Which, ...] = ("worst", "median", "best")
    return [(i, which) for which in wanted for i, kind in found.items() if kind == which]


def cell_example(
    name: str, which: Which, score: float, channel: FloatArray, truth: Labels, found: Labels, truth_name: str
) -> CellExample:
    """Three pictures: the channel, the contours of the truth, those of the student.

    Parameters
    ----------
    name, which, score
        As of :class:`CellExample`.
    channel : ndarray
        (h, w) float32 in [0, 1].
    truth, found : ndarray
        (h, w) numbers of cells.
    truth_name : str
        What the truth is.
    """
    box = tuple(_middle(side) for side in channel.shape)
    times = max(SIDE // max(channel[box].shape), 1)
    grey = _enlarged(np.rint(255 * np.sqrt(np.clip(channel[box], 0, 1))).astype(np.uint8), times)
    pictures = [("channel", _png(np.repeat(grey[..., None], 3, axis=-1)))]
    for what, labels, colour in ((truth_name, truth, TRUE), ("student", found, FOUND)):
        pictures.append((what, _png(_with_contours(grey, _enlarged(labels[box], times), colour))))
    return CellExample(name, which, score, tuple(pictures))


def _middle(side: int) -> slice:
    start = max((side - SIDE) // 2, 0)
    return slice(start, start + min(side, SIDE))


def _enlarged(values: npt.NDArray[Any], times: int) -> npt.NDArray[Any]:
    return values.repeat(times, axis=0).repeat(times, axis=1)


def _with_contours(grey: npt.NDArray[np.uint8], labels: Labels, colour: str) -> npt.NDArray[np.uint8]:
    picture = np.repeat(grey[..., None], 3, axis=-1)
    picture[find_boundaries(labels, connectivity=1, mode="inner")] = rgb_of(colour)  # type: ignore[no-untyped-call]
    return picture


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    return encoded(Image.fromarray(pixels), "PNG", optimize=True)
