"""Crops around strokes, with masks that say nothing beside them, for the deeper training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from napari_construct.teaching.cells import Cells
from napari_construct.training.views.partial_masks import UNKNOWN
from napari_construct.training.views.patches import PatchStore, PatchView
from napari_construct.training.views.sheets import SHEETS, SIDE
from napari_construct.types import RGBImage

ROOM: Final = 1.75
"""Side of a crop, in sides of what is shown of it: so that a stroke is seen at many places of a view."""

WIDEST: Final = 1.25
"""Side of the largest view, in sides of the network's input."""

SMALLEST: Final = 0.8
"""Side of the smallest view, likewise."""

MOST: Final = 2000
"""Crops; of more, some are drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageCells:
    """An image at the model's resolution with the classes of its cells.

    Attributes
    ----------
    pixels : ndarray
        (h, w, 3) uint8.
    classes : ndarray
        (rows, columns) uint8 on the encoder's finest grid: class ``i`` is value ``i``, ``UNKNOWN`` elsewhere.
    centres : ndarray
        (n, 2) rows and columns of pixels around which crops lie.
    """

    pixels: RGBImage
    classes: NDArray[np.uint8]
    centres: NDArray[np.intp]


def centres_of(cells: Cells, stride: int, step: int) -> NDArray[np.intp]:
    """Places along strokes, one for each class and square of ``step`` pixels: the mean of its cells there."""
    across = int(cells.columns.max(initial=0)) * stride // step + 1
    square = cells.rows * stride // step * across + cells.columns * stride // step
    _, group = np.unique(np.stack([square, cells.values.astype(np.intp)]), axis=1, return_inverse=True)
    count = np.bincount(group.ravel())
    places = [np.bincount(group.ravel(), (of + 0.5) * stride) / count for of in (cells.rows, cells.columns)]
    return np.stack(places, 1).astype(np.intp)


def cut_crops(
    images: Sequence[ImageCells], size: int, stride: int, mpp: float | None, seed: int
) -> tuple[PatchStore, NDArray[np.uint8], NDArray[np.uint8]]:
    """Crops with their masks.

    Parameters
    ----------
    images : sequence of ImageCells
        With at least one centre.
    size : int
        Side of the network's input in pixels.
    stride : int
        Pixels per cell of ``classes``.
    mpp : float or None
        Micrometres per pixel.
    seed : int
        Of the crops that are drawn, where there are too many.

    Returns
    -------
    PatchStore
        How crops are shown; it holds them.
    images, masks : ndarray
        (n, s, s, 3) uint8 RGB, and (n, s, s) uint8: class ``i`` is value ``i``, ``UNKNOWN`` beside strokes.
    """
    side, window = round(size * ROOM), size * WIDEST
    every = [(i, y, x) for i, one in enumerate(images) for y, x in one.centres.tolist()]
    if len(every) > MOST:
        chosen = np.random.default_rng(seed).choice(len(every), MOST, replace=False)
        every = [every[i] for i in np.sort(chosen)]
    pixels = np.stack([_cut(images[i].pixels, y, x, side) for i, y, x in every])
    large = [one.classes.repeat(stride, 0).repeat(stride, 1) for one in images]
    masks = np.stack([_cut(large[i], y, x, side, UNKNOWN) for i, y, x in every])
    view = PatchView((side, side), 1.0, window, size, mpp, keeps_scale=True)
    store = PatchStore([Path(f"crop {n}") for n in range(len(every))], view, list(pixels))
    return store, pixels, masks


def tiled_crops(images: Sequence[RGBImage], size: int, seed: int) -> UInt8[Tensor, "n s s 3"]:
    """Parts of images, side by side, for views of ``size`` pixels."""
    side = round(size * ROOM)
    every = [
        (i, y, x)
        for i, (h, w) in enumerate(one.shape[:2] for one in images)
        for y in range(min(side, h) // 2, max(h - side // 2, min(side, h) // 2 + 1), side // 2)
        for x in range(min(side, w) // 2, max(w - side // 2, min(side, w) // 2 + 1), side // 2)
    ]
    if len(every) > MOST:
        chosen = np.random.default_rng(seed).choice(len(every), MOST, replace=False)
        every = [every[i] for i in np.sort(chosen)]
    return torch.from_numpy(np.stack([_cut(images[i], y, x, side) for i, y, x in every]))


def _cut(array: NDArray[np.uint8], y: int, x: int, side: int, beyond: int | None = None) -> NDArray[np.uint8]:
    """A square around a pixel; mirrored beyond the border, or filled with ``beyond``."""
    rows, columns = (np.arange(side) - side // 2 + at for at in (y, x))
    h, w = array.shape[:2]
    found = array[np.ix_(_mirrored(rows, h), _mirrored(columns, w))]
    if beyond is not None:
        found[(rows < 0) | (rows >= h)] = beyond
        found[:, (columns < 0) | (columns >= w)] = beyond
    return found


def _mirrored(places: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    turn = places % (2 * length)
    return np.where(turn < length, turn, 2 * length - 1 - turn)


class ImageSheets:
    """Tiles of images, as they will be segmented: what statistics of normalisation are taken from.

    Parameters
    ----------
    images : sequence of ndarray
        (h, w, 3) uint8 RGB at the model's resolution.
    seed : int
        Of the places in images larger than a tile.
    multiple : int
        Sides are multiples of it; smaller images are mirrored.
    """

    def __init__(self, images: Sequence[RGBImage], seed: int, multiple: int) -> None:
        self._images, self._seed, self._multiple = tuple(images), seed, multiple

    def __len__(self) -> int:
        tiles = sum(max(round(h * w / SIDE**2), 1) for h, w in (one.shape[:2] for one in self._images))
        return int(min(max(tiles, 4), SHEETS))

    def sheet(self, number: int) -> Float[Tensor, "1 3 y x"]:
        """A tile, RGB in [0, 1]; the same for the same number."""
        image = self._images[number % len(self._images)]
        random = np.random.default_rng([self._seed, number])
        places = []
        for length in image.shape[:2]:
            side = min(-(-length // self._multiple) * self._multiple, SIDE // self._multiple * self._multiple)
            side = max(side, self._multiple)
            first = int(random.integers(max(length - side, 0) + 1))
            places.append(_mirrored(np.arange(first, first + side), length))
        return torch.from_numpy(image[np.ix_(*places)]).permute(2, 0, 1)[None].float() / 255
