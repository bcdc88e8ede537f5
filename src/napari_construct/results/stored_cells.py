"""Numbered cells as they were written: their numbers, and their table."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.limits import MAX_PIXELS, METADATA_ERRORS
from napari_construct.data.resolution import length
from napari_construct.exceptions import InputError
from napari_construct.export.own_files import CELL_COLUMNS
from napari_construct.reading.marks import has_mark
from napari_construct.reading.texts.csv import CsvTable, read_csv
from napari_construct.reading.texts.json import parse_json
from napari_construct.reading.tiff.file import open_tiff

_TYPES: Final = (np.dtype(np.uint16), np.dtype(np.uint32))
_LONGEST: Final = 2**20
_LARGEST_TABLE: Final = 2**28
_MOST_PIXELS: Final = 10 * MAX_PIXELS


class CellsDescription(NamedTuple):
    """What a file of cells says of itself: the highest number, and micrometres per pixel or None."""

    cells: int
    mpp: float | None


def cells_description(path: Path) -> CellsDescription | None:
    """The description of numbered cells that napari-construct wrote; None of another file."""
    if not has_mark(path):
        return None
    try:
        with open_tiff(path) as file:
            page: Any = file.pages.first
            text = page.description or ""
            if page.dtype not in _TYPES or page.samplesperpixel != 1 or len(text) > _LONGEST:
                return None
            found = parse_json(text, str(path), error=InputError)
            return CellsDescription(int(found["cells"]), length(found.get("mpp"), None))
    except METADATA_ERRORS:
        return None


def read_cells(path: Path, shape: tuple[int, ...] | None = None) -> NDArray[np.int32]:
    """Numbers (h, w) or (planes, h, w) int32.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int, optional
        Of the mask beside it.

    Raises
    ------
    InputError
        If it holds something else, another shape, or too much.
    """
    with open_tiff(path) as file:
        series = file.series[0]
        given, kind = tuple(int(n) for n in series.shape), series.dtype
        wanted = f"cells of shape {shape}" if shape is not None else "cells (h, w) or (planes, h, w)"
        if kind not in _TYPES or (given != shape if shape is not None else len(given) not in (2, 3)):
            raise InputError(f"{path}: expected {wanted}, got {given} {kind}; segment again")
        if math.prod(given) > _MOST_PIXELS:
            raise InputError(
                f"{path}: expected at most {_MOST_PIXELS:,} pixels of cells, got {math.prod(given):,}; "
                "segment fewer planes at once"
            )
        numbers = np.asarray(series.asarray())
    if numbers.size and int(numbers.max()) > np.iinfo(np.int32).max:
        raise InputError(f"{path}: expected numbers of cells up to 2147483647; segment again")
    return numbers.astype(np.int32)


def read_cell_table(path: Path) -> CsvTable:
    """A table of cells, as texts.

    Raises
    ------
    InputError
        If it is no such table.
    """
    table = read_csv(path, what="a table of cells", largest=_LARGEST_TABLE, error=InputError)
    if not set(CELL_COLUMNS) <= set(table.header):
        raise InputError(f"{path}: expected a table of cells, got other columns; segment the image again")
    return table


def read_confidences(path: Path) -> dict[int, float]:
    """Mean confidence of each cell by its number, of a table of cells.

    Raises
    ------
    InputError
        If it is no such table.
    """
    table = read_csv(path, what="a table of cells", largest=_LARGEST_TABLE, error=InputError)
    names = (CELL_COLUMNS[0], "confidence")
    if not set(names) <= set(table.header):
        raise InputError(
            f"{path}: expected a table of cells with the columns {' and '.join(names)}, got "
            f"{', '.join(table.header)[:200]}; segment again"
        )
    label, confidence = map(table.header.index, names)
    try:
        return {int(row[label]): float(row[confidence]) for _, row in table.rows}
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{path}: expected whole numbers of cells and their confidence, got another table; segment again"
        ) from error
