"""Thumbnails of the worst and the best images."""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.types import LabelImage, RGBImage

SIDE: Final = 320
"""Longest side of a picture in pixels."""

WRONG: Final = (200, 30, 30)
RIGHT: Final = (225, 225, 225)
LEFT_OUT: Final = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Example:
    """One image of an evaluation as pictures.

    Attributes
    ----------
    name : str
        File name.
    score : float
        Mean IoU over the classes that the image holds, predicted labels.
    image : bytes
        JPEG.
    truth, prediction, errors : bytes
        PNG; in ``errors`` a scored pixel is grey where it is right and red where it is wrong.
    """

    name: str
    score: float
    image: bytes
    truth: bytes
    prediction: bytes
    errors: bytes


@dataclass
class ExampleGallery:
    """Keeps the ``most`` worst and the ``most`` best of the offered images."""

    classes: ClassTable
    most: int = 3
    _worst: list[Example] = field(default_factory=list)
    _best: list[Example] = field(default_factory=list)

    def offer(
        self,
        name: str,
        score: float,
        image: RGBImage,
        truth: npt.NDArray[np.uint8],
        labels: LabelImage,
        ignore: Collection[int],
    ) -> None:
        """Keep an image if it is among the extremes; one without a score (nan) never is."""
        if not self.most or np.isnan(score):
            return
        low = len(self._worst) < self.most or score < self._worst[-1].score
        high = len(self._best) < self.most or score > self._best[-1].score
        if not (low or high):
            return
        example = make_example(name, score, image, truth, labels, self.classes, ignore)
        self._worst = sorted([*self._worst, example], key=lambda e: e.score)[: self.most]
        self._best = sorted([*self._best, example], key=lambda e: -e.score)[: self.most]

    @property
    def worst(self) -> tuple[Example, ...]:
        """The worst first; of few images, the lower half."""
        return self._halves()[0]

    @property
    def best(self) -> tuple[Example, ...]:
        """The best first; of few images, the upper half."""
        return self._halves()[1]

    def _halves(self) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
        """No image is in both."""
        if {id(e) for e in self._worst}.isdisjoint(id(e) for e in self._best):
            return tuple(self._worst), tuple(self._best)
        every = sorted({id(e): e for e in (*self._worst, *self._best)}.values(), key=lambda e: e.score)
        middle = (len(every) + 1) // 2
        return tuple(every[:middle]), tuple(reversed(every[middle:]))


def make_example(
    name: str,
    score: float,
    image: RGBImage,
    truth: npt.NDArray[np.uint8],
    labels: LabelImage,
    classes: ClassTable,
    ignore: Collection[int],
) -> Example:
    """Four pictures of one image.

    Parameters
    ----------
    name, score : str, float
        As in :class:`Example`.
    image : ndarray
        (h, w, 3) uint8.
    truth : ndarray
        (h, w) uint8; value ``i`` is class ``i``.
    labels : ndarray
        (h, w) uint8; 0 unlabelled, ``i + 1`` class ``i``.
    classes : ClassTable
        Colours.
    ignore : collection of int
        Values of ``truth`` that are left out; they and unlabelled pixels are white.
    """
    step = max(-(-max(truth.shape) // SIDE), 1)
    truth, labels = truth[step // 2 :: step, step // 2 :: step], labels[step // 2 :: step, step // 2 :: step]
    scored = ~np.isin(truth, list(ignore))
    true = np.where(scored, truth.astype(np.int64) + 1, 0)
    errors = np.where(scored, np.where(true == labels, 1, 2), 0)
    colours = np.array([LEFT_OUT, *(tissue.rgb for tissue in classes)], dtype=np.uint8)
    small = Image.fromarray(image).resize((truth.shape[1], truth.shape[0]), Image.Resampling.BOX)
    return Example(
        name=name,
        score=score,
        image=encoded(small, "JPEG", quality=85),
        truth=encoded(_indexed(true, colours), "PNG", optimize=True),
        prediction=encoded(_indexed(labels, colours), "PNG", optimize=True),
        errors=encoded(_indexed(errors, np.array([LEFT_OUT, RIGHT, WRONG], dtype=np.uint8)), "PNG"),
    )


def _indexed(values: npt.NDArray[Any], colours: npt.NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(values.astype(np.uint8))
    picture.putpalette(colours.tobytes())
    return picture


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of a picture's file of the format ``kind``."""
    stream = io.BytesIO()
    picture.save(stream, format=kind, **options)
    return stream.getvalue()
