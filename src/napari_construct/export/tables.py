"""Tables of measurements as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from napari_construct.export.atomic import atomic
from napari_construct.reading.texts.csv import csv_text
from napari_construct.types import PathLike


def write_table(path: PathLike, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns of equal length as CSV, atomically; numbers with six significant digits.

    Parameters
    ----------
    path : str or path
        File to write.
    columns : mapping of str to ndarray
        (n,) each; the keys are the first row.

    Raises
    ------
    ConstructError
        If the file cannot be written.
    """
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    text = csv_text([tuple(columns), *(tuple(map(_short, row)) for row in rows)])
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _short(value: object) -> object:
    return float(f"{value:.6g}") if isinstance(value, float) else value
