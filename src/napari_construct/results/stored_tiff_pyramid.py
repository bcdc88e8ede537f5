"""Labels of a whole slide in a pyramidal OME-TIFF, opened level by level and read tile by tile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.data.limits import METADATA_ERRORS
from napari_construct.data.mask_description import mask_description
from napari_construct.data.resolution import chosen
from napari_construct.data.slides.tiff_tiles import TiffTiles
from napari_construct.data.tiff.layout import layout_of
from napari_construct.data.tiff.pixel_size import stated_by_tiff
from napari_construct.exceptions import InputError
from napari_construct.reading.foreign import passed_on
from napari_construct.reading.marks import has_mark
from napari_construct.reading.tiff.file import open_tiff
from napari_construct.results.described import record_beside
from napari_construct.types import LabelImage, ShortRepr

_MOST_PIXELS: Final = 2**38
"""Bound on labels that are read in parts, as of a label pyramid."""


class LabelTiles:
    """One level of a mask as an array (h, w) uint8: parts are decoded where they are asked for.

    Threads may share it. Tiles that the file leaves out are 0.

    Parameters
    ----------
    tiles : TiffTiles
        The level.
    file : ExitStack
        Closes the file, with the last level that holds it.

    Attributes
    ----------
    shape, tile : tuple of int
        Rows and columns of the level, and of a tile.
    """

    dtype: Final = np.dtype(np.uint8)
    ndim: Final = 2

    def __init__(self, tiles: TiffTiles, file: ExitStack) -> None:
        self._tiles, self._file = tiles, file
        self.shape, self.tile = tiles.shape, tiles.tile

    def __getitem__(self, key: tuple[slice, slice]) -> LabelImage:
        """A part, by slices without a step.

        Raises
        ------
        InputError
            If a tile is damaged.
        """
        (top, bottom, _), (left, right, _) = (
            part.indices(side) for part, side in zip(key, self.shape, strict=True)
        )
        out = np.zeros((max(bottom - top, 0), max(right - left, 0)), np.uint8)
        high, wide = self.tile
        for row in range(top // high, -(-bottom // high)):
            for column in range(left // wide, -(-right // wide)):
                found = self._tiles.stored(row, column)
                if found is None:
                    continue
                y, x = row * high, column * wide
                rows, columns = (max(y, top), min(y + high, bottom)), (max(x, left), min(x + wide, right))
                out[rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left] = found[
                    rows[0] - y : rows[1] - y, columns[0] - x : columns[1] - x
                ]
        return out


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StoredTiffPyramid(ShortRepr):
    """A pyramidal mask, opened and not read yet; its file is open as long as its levels exist.

    Attributes
    ----------
    path : Path
        The file.
    levels : tuple of LabelTiles
        The finest first.
    classes : ClassTable
        Names and colours.
    pixel : (float, float) or None
        Micrometres per pixel of the finest level along rows and columns.
    scale, offset : (float, float)
        Sides of a pixel, and centre of the first one from that of the slide's first pixel: micrometres, or
        pixels of the slide where ``pixel`` is None. Without a record the offset is 0.
    record : mapping
        The JSON beside it; empty where there is none.
    notices : tuple of str
        As of :class:`~napari_construct.results.result.StoredResult`.
    """

    path: Path
    levels: tuple[LabelTiles, ...]
    classes: ClassTable
    pixel: tuple[float, float] | None
    scale: tuple[float, float]
    offset: tuple[float, float]
    record: Mapping[str, Any]
    notices: tuple[str, ...]


def is_tiff_pyramid(path: Path) -> bool:
    """Whether a file is a mask of :func:`~napari_construct.export.pyramid_tiff.write_mask_pyramid`.

    Its content tells, never its name: our software tag, our description of the classes, OME-XML.
    """
    if not has_mark(path) or mask_description(path) is None:
        return False
    try:
        with open_tiff(path) as file:
            return bool(file.is_ome)
    except METADATA_ERRORS:
        return False


def open_tiff_pyramid(path: Path) -> StoredTiffPyramid:
    """Open a mask of :func:`~napari_construct.export.pyramid_tiff.write_mask_pyramid`.

    Raises
    ------
    InputError
        If it is none, is damaged, or has more than 2^38 pixels.
    """
    about = mask_description(path)
    if about is None or not is_tiff_pyramid(path):
        raise InputError(
            f"{path}: expected a mask with its classes as a pyramid (OME-TIFF), got another file"
        )
    try:
        levels, pixel = _opened(path)
    except METADATA_ERRORS as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: expected labels as a pyramid, got a damaged one ({type(error).__name__}: "
            f"{passed_on(error)}); segment again"
        ) from error
    record, notices = record_beside(path, "mask")
    names = tuple(about.names.values())
    colours = [
        str(record.get("colours", {}).get(n) or about.colours.get(i, "")) for i, n in about.names.items()
    ]
    table = ClassTable.from_names(names, palette=colours) if all(colours) else ClassTable.from_names(names)
    scale, offset = _place(record, levels[0].shape, pixel)
    return StoredTiffPyramid(path, levels, table, pixel, scale, offset, record, notices)


def _opened(path: Path) -> tuple[tuple[LabelTiles, ...], tuple[float, float] | None]:
    lock = Lock()
    with ExitStack() as stack:
        file = stack.enter_context(open_tiff(path))
        levels: list[Any] = list(file.series[0].levels)
        for level in levels:
            if len(level.shape) != 2 or level.dtype != np.uint8 or math.prod(level.shape) > _MOST_PIXELS:
                raise InputError(
                    f"{path}: expected labels (h, w) uint8 of at most {_MOST_PIXELS:,} pixels, got "
                    f"{tuple(level.shape)} {level.dtype}; segment again"
                )
        tiles = [TiffTiles(path, one, layout_of(one), lock) for one in levels]
        size = chosen(stated_by_tiff(file), path.name, both=True).sides
        kept = stack.pop_all()
    return tuple(LabelTiles(one, kept) for one in tiles), size


def _place(
    record: Mapping[str, Any], shape: tuple[int, int], pixel: tuple[float, float] | None
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Sides of a label, and where the first one lies on the slide of the record."""
    given = record.get("input", {})
    sides = given.get("mpp_of_rows_and_columns") if pixel else (1.0, 1.0)
    if pixel is not None:
        scale = pixel
    elif _are_two(whole := given.get("shape")):
        scale = whole[0] / shape[0], whole[1] / shape[1]
    else:
        scale = 1.0, 1.0
    if not _are_two(sides):
        return scale, (0.0, 0.0)
    return scale, ((scale[0] - sides[0]) / 2, (scale[1] - sides[1]) / 2)


def _are_two(values: Any) -> bool:
    """Whether a record, which somebody may have edited, has two lengths."""
    two = isinstance(values, list | tuple) and len(values) == 2
    return two and all(isinstance(n, int | float) and 0 < n < math.inf for n in values)
