"""Levels of a whole slide as arrays for napari: a part is read when it is asked for, and quickly.

napari slices in the thread of its window. So what is read for one view is bounded: where a file's levels lie
far apart, levels between them are made from the finer one, or where that were too much, from the coarser one;
and the coarsest is a small picture that is read once. Parts are decoded by several threads, tiles that were
decoded last are kept by the slide's reader.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

import numpy as np
from napari.utils.notifications import show_warning
from numpy.typing import NDArray
from PIL import Image

from napari_construct.data.slides.slide import Slide
from napari_construct.data.slides.threads import MOST, decoded_ahead, in_cells
from napari_construct.exceptions import InputError
from napari_construct.types import RGBImage

OVERVIEW: Final = 1024
"""Longer side in pixels of the coarsest level, which napari keeps in memory."""

SECONDS: Final = 0.12
"""What it may take to decode a part of a level that the file does not have."""

FEWEST: Final = 2_000_000
"""Pixels that are decoded whatever time it takes; at most ``MOST`` are."""

_GAP: Final = 3.0
"""From this factor between two levels on, others are put between them."""


class SlideArray:
    """One level of a slide: (h, w, 3) uint8, read by indexing. It can be pickled.

    Parameters
    ----------
    slide : Slide
        The slide.
    level : int or None
        Which of its levels; None for one that the file does not have.
    shape : tuple of int
        Rows and columns.
    overview : Overview
        The small picture of the slide.
    """

    dtype: Final = np.dtype(np.uint8)
    ndim: Final = 3

    def __init__(self, slide: Slide, level: int | None, shape: tuple[int, int], overview: Overview) -> None:
        self._slide, self._level, self._overview = slide, level, overview
        self.shape = (*shape, 3)

    def __repr__(self) -> str:
        return f"SlideArray({self._slide.name!r}, {self.shape[0]} x {self.shape[1]} pixels)"

    def __deepcopy__(self, memo: dict[int, Any]) -> SlideArray:
        return self  # it is never changed; a duplicated layer shares it

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def origin(self) -> tuple[Slide, int | None]:
        """The slide, and which level of it; in a tuple, which napari's proxies hand out as it is."""
        return self._slide, self._level

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:, :], dtype=dtype)

    def __getitem__(self, key: Any) -> Any:
        items = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in items:
            at = items.index(Ellipsis)
            items[at : at + 1] = [slice(None)] * (self.ndim + 1 - len(items))
        items += [slice(None)] * (self.ndim - len(items))
        (top, height, down), (left, width, across) = (
            _span(item, side) for item, side in zip(items[:2], self.shape, strict=False)
        )
        if not height or not width:
            return np.zeros((height, width, 3), np.uint8)[down, across, items[2]]
        return self._read(top, left, height, width)[down, across, items[2]]

    def _read(self, top: int, left: int, height: int, width: int) -> RGBImage:
        if self._level is not None:
            level = self._level
            return self._overview.tolerant(
                lambda: in_cells(self._slide, level, top, left, height, width), (height, width)
            )
        factors = [full / side for full, side in zip(self._slide.shape, self.shape, strict=False)]
        rows = top * factors[0], (top + height) * factors[0]
        columns = left * factors[1], (left + width) * factors[1]
        finer = self._slide.levels[self._slide.level_for(min(factors))].downsample
        self._overview.picture()
        if (rows[1] - rows[0]) * (columns[1] - columns[0]) <= self._overview.budget * finer**2:
            shape = height, width
            return self._overview.tolerant(lambda: decoded_ahead(self._slide, rows, columns, shape), shape)
        return self._overview.enlarged(rows, columns, (height, width), min(factors))


class Overview(SlideArray):
    """The coarsest level of a slide, of at most ``OVERVIEW`` pixels a side, read once.

    Attributes
    ----------
    budget : int
        Pixels of the file that this computer decodes in ``SECONDS``; known when the picture was read.
    """

    def __init__(self, slide: Slide) -> None:
        factor = max(1.0, max(slide.shape) / OVERVIEW)
        rows, columns = (max(1, round(side / factor)) for side in slide.shape)
        super().__init__(slide, None, (rows, columns), self)
        self.budget = FEWEST
        self._picture: RGBImage | None = None
        self._damaged = False
        self._lock = Lock()

    def __reduce__(self) -> tuple[Callable[..., Overview], tuple[Slide]]:
        return Overview, (self._slide,)

    def picture(self) -> RGBImage:
        """The picture; slow at the first time, where the file has no small level."""
        with self._lock:
            if self._picture is None:
                shape = self.shape[0], self.shape[1]
                rows, columns = ((0.0, float(side)) for side in self._slide.shape)
                began = time.perf_counter()
                self._picture = self.tolerant(lambda: decoded_ahead(self._slide, rows, columns, shape), shape)
                step = max(self._slide.shape) / max(shape)
                source = self._slide.levels[self._slide.level_for(step)].shape
                rate = source[0] * source[1] / max(time.perf_counter() - began, 1e-3)
                self.budget = int(min(max(rate * SECONDS, FEWEST), MOST))
            return self._picture

    def enlarged(
        self, rows: tuple[float, float], columns: tuple[float, float], shape: tuple[int, int], factor: float
    ) -> RGBImage:
        """A part of level 0 from the next coarser level of the file, or from the picture."""
        coarser = [i for i, level in enumerate(self._slide.levels) if level.downsample > factor]
        if coarser:
            scale = self._slide.levels[coarser[0]].downsample
            top, left = math.floor(rows[0] / scale), math.floor(columns[0] / scale)
            height = max(1, math.ceil(rows[1] / scale) - top)
            width = max(1, math.ceil(columns[1] / scale) - left)
            if height * width <= MOST:
                pixels = self.tolerant(
                    lambda: in_cells(self._slide, coarser[0], top, left, height, width), (height, width)
                )
                return _resized(
                    pixels,
                    (rows[0] / scale - top, rows[1] / scale - top),
                    (columns[0] / scale - left, columns[1] / scale - left),
                    shape,
                )
        scales = [full / side for full, side in zip(self._slide.shape, self.shape, strict=False)]
        return _resized(
            self.picture(),
            (rows[0] / scales[0], rows[1] / scales[0]),
            (columns[0] / scales[1], columns[1] / scales[1]),
            shape,
        )

    def tolerant(self, read: Callable[[], RGBImage], shape: tuple[int, int]) -> RGBImage:
        """What is read, or white and a warning, once, where the file is damaged: a view is no place to fail.

        Jobs read the slide itself, and fail.
        """
        try:
            return read()
        except InputError as error:
            if not self._damaged:
                self._damaged = True
                show_warning(f"{error} (what cannot be read is shown white)")
            return np.full((*shape, 3), 255, np.uint8)

    def _read(self, top: int, left: int, height: int, width: int) -> RGBImage:
        return self.picture()[top : top + height, left : left + width]


class FinestLevel(SlideArray):
    """Level 0 for jobs: damage is an error.

    Indexing raises
    ---------------
    InputError
        As of :meth:`~napari_construct.data.slides.slide.Slide.read`.
    """

    def __init__(self, slide: Slide) -> None:
        super().__init__(slide, 0, slide.shape, Overview(slide))

    def _read(self, top: int, left: int, height: int, width: int) -> RGBImage:
        return in_cells(self._slide, 0, top, left, height, width)


def slide_arrays(slide: Slide) -> list[SlideArray]:
    """The levels of a slide from the finest, at most ``_GAP`` apart, the last one small."""
    overview = Overview(slide)
    arrays: list[SlideArray] = []
    factors = [level.downsample for level in slide.levels]
    smallest = max(slide.shape) / max(overview.shape)
    for i, level in enumerate(slide.levels):
        if i and level.downsample >= smallest * 0.99:  # the picture shows as much
            break
        arrays.append(SlideArray(slide, i, level.shape, overview))
        further = min(factors[i + 1] if i + 1 < len(factors) else math.inf, smallest)
        between = level.downsample * 2
        while further / between >= _GAP / 2:
            shape = [max(1, round(side / between)) for side in slide.shape]
            arrays.append(SlideArray(slide, None, (shape[0], shape[1]), overview))
            between *= 2
    return [*arrays, overview] if smallest > 1 else arrays


def _span(item: Any, side: int) -> tuple[int, int, Any]:
    """First pixel, number of pixels, and what to take of them."""
    if isinstance(item, slice):
        start, stop, step = item.indices(side)
        chosen = range(start, stop, step)
        if not chosen:
            return 0, 0, slice(None)
        low, high = min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1])
        return low, high + 1 - low, slice(None, None, step)
    index = int(item.__index__())
    if not -side <= index < side:
        raise IndexError(f"expected an index from {-side} to {side - 1}, got {index}")
    return index % side, 1, 0


def _resized(
    image: RGBImage, rows: tuple[float, float], columns: tuple[float, float], shape: tuple[int, int]
) -> RGBImage:
    """A part of an image, whose borders may lie within pixels, in other pixels."""
    box = (
        max(columns[0], 0.0),
        max(rows[0], 0.0),
        min(columns[1], float(image.shape[1])),
        min(rows[1], float(image.shape[0])),
    )
    made = Image.fromarray(image).resize((shape[1], shape[0]), Image.Resampling.BILINEAR, box=box)
    return np.array(made)
