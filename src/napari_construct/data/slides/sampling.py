"""Any part of a slide in any number of pixels, from the level that fits."""

from __future__ import annotations

import math
from typing import Final, Protocol, runtime_checkable

import numpy as np

from napari_construct.data.slides.area import area_resampled
from napari_construct.data.slides.facts import SlideLevel
from napari_construct.types import RGBImage

_BAND: Final = 2**24
"""Pixels of a level that are read at a time where they are resampled (50 MB)."""

_SAME: Final = 1e-9


@runtime_checkable
class Levels(Protocol):
    """What is asked of a :class:`~napari_construct.data.slides.slide.Slide`."""

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def levels(self) -> tuple[SlideLevel, ...]: ...

    def level_for(self, downsample: float) -> int: ...

    def read(self, level: int, top: int, left: int, height: int, width: int) -> RGBImage: ...

    def check_size(self, height: int, width: int) -> None: ...


def resampled(
    slide: Levels, rows: tuple[float, float], columns: tuple[float, float], shape: tuple[int, int]
) -> RGBImage:
    """A part of level 0 in so many pixels, read in bands of the coarsest level that is fine enough.

    Arguments and errors as of :meth:`~napari_construct.data.slides.slide.Slide.sampled`.
    """
    (top, left), (height, width) = (rows[0], columns[0]), (rows[1] - rows[0], columns[1] - columns[0])
    if height <= 0 or width <= 0:
        slide.check_size(int(height), int(width))
    slide.check_size(*shape)
    steps = height / shape[0], width / shape[1]
    if steps == (1.0, 1.0) and top == int(top) and left == int(left):
        return slide.read(0, int(top), int(left), *shape)
    index = slide.level_for(min(steps))
    factor = slide.levels[index].downsample
    out: RGBImage = np.empty((*shape, 3), np.uint8)
    per_pixel = max(1.0, steps[0] / factor) * max(1.0, steps[1] / factor)
    across = max(1, min(shape[1], int(_BAND / (16 * per_pixel))))
    down = max(1, min(shape[0], int(_BAND / (across * per_pixel))))
    for y in range(0, shape[0], down):
        for x in range(0, shape[1], across):
            part = min(down, shape[0] - y), min(across, shape[1] - x)
            down_from = ((top + steps[0] * y) / factor, (top + steps[0] * (y + part[0])) / factor)
            from_left = ((left + steps[1] * x) / factor, (left + steps[1] * (x + part[1])) / factor)
            out[y : y + part[0], x : x + part[1]] = _part(slide, index, down_from, from_left, part)
    return out


def _part(
    slide: Levels, level: int, rows: tuple[float, float], columns: tuple[float, float], shape: tuple[int, int]
) -> RGBImage:
    """A part of a level, in its pixels, in so many pixels; a pixel more is read around it."""
    whole, factor = slide.levels[level]
    # where sides were rounded down, the border of level 0 lies in a pixel that the level lacks
    lacking = [math.ceil(full / factor) - side for full, side in zip(slide.shape, whole, strict=True)]
    (first, last), (before, after) = (
        _around(span, side, more) for span, side, more in zip((rows, columns), whole, lacking, strict=True)
    )
    pixels = slide.read(level, first, before, last - first, after - before)
    if first < whole[0] < last and lacking[0] > 0:
        pixels[whole[0] - first :][: lacking[0]] = pixels[whole[0] - first - 1]
    if before < whole[1] < after and lacking[1] > 0:
        border = whole[1] - before
        pixels[:, border : border + lacking[1]] = pixels[:, border - 1 : border]
    return area_resampled(
        pixels,
        (rows[0] - first, rows[1] - first),
        (columns[0] - before, columns[1] - before),
        shape,
    )


def _around(span: tuple[float, float], side: int, lacking: int) -> tuple[int, int]:
    """Whole pixels around a span and one more on either side, which is not taken outside of the level.

    Where the span begins in the pixels that a level lacks, its last one is taken along.
    """
    first, last = math.floor(span[0] + _SAME), math.ceil(span[1] - _SAME)
    if side <= first < side + lacking:
        first = side - 1
    return (first - 1 if first > 0 else first), (last + 1 if last < side else last)
