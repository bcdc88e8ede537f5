"""Parts of a slide that several threads decode, as a view asks for them: at once, and from one place."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Final

import numpy as np

from napari_construct.data.slides.slide import Slide
from napari_construct.types import RGBImage

MOST: Final = 16_000_000
"""Pixels that are decoded ahead at once: as many as the readers keep."""

_CELL: Final = 1024
"""Side of the parts that threads decode: a whole number of tiles of most files."""
_THREADS: Final = min(4, os.cpu_count() or 1)


def in_cells(slide: Slide, level: int, top: int, left: int, height: int, width: int) -> RGBImage:
    """``slide.read``, by several threads: cells of the level that each of them decodes alone.

    Raises
    ------
    InputError
        As of :meth:`~napari_construct.data.slides.slide.Slide.read`.
    """
    rows, columns = _cut(top, height), _cut(left, width)
    if len(rows) * len(columns) == 1 or _THREADS == 1:
        return slide.read(level, top, left, height, width)
    slide.check_size(height, width)
    out: RGBImage = np.empty((height, width, 3), np.uint8)

    def one(part: tuple[tuple[int, int], tuple[int, int]]) -> None:
        (y, below), (x, after) = part
        out[y - top : below - top, x - left : after - left] = slide.read(level, y, x, below - y, after - x)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(one, ((row, column) for row in rows for column in columns)))
    return out


def decoded_ahead(
    slide: Slide, rows: tuple[float, float], columns: tuple[float, float], shape: tuple[int, int]
) -> RGBImage:
    """``slide.sampled``, whose tiles several threads decode before, as many as the slide keeps.

    Raises
    ------
    InputError
        As of :meth:`~napari_construct.data.slides.slide.Slide.sampled`.
    """
    level = slide.level_for(min((rows[1] - rows[0]) / shape[0], (columns[1] - columns[0]) / shape[1]))
    factor = slide.levels[level].downsample
    top, left = int(rows[0] / factor), int(columns[0] / factor)
    height, width = math.ceil(rows[1] / factor) - top, math.ceil(columns[1] / factor) - left
    if height * width <= MOST:
        in_cells(slide, level, top, left, height, width)
    return slide.sampled(rows, columns, shape)


def _cut(start: int, length: int) -> list[tuple[int, int]]:
    """A span of pixels, cut where cells of the level end."""
    inner = range((start // _CELL + 1) * _CELL, start + length, _CELL)
    borders = [start, *inner, start + length]
    return list(pairwise(borders))
