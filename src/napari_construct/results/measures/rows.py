"""Rows of a table of areas: one for each class, over all or in a region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.results.areas import share_and_whole

OVER_ALL: Final = "all"
"""Name of the rows that measure the whole mask."""


def area_rows(
    region: str,
    classes: ClassTable,
    pixels: NDArray[Any],
    components: Sequence[int],
    *,
    tissue: int | None,
    square: float | None,
    means: NDArray[Any] | None,
) -> list[dict[str, Any]]:
    """Rows of one region.

    Parameters
    ----------
    region : str
        Its name.
    classes : ClassTable
        The k classes.
    pixels, components : sequence
        (k,) of each class.
    tissue : int or None
        Pixels with tissue; without, shares are of the labelled pixels.
    square : float or None
        Square micrometres of a pixel; without, there is no ``mm2``.
    means : ndarray or None
        (k,) mean confidence, where it is known.
    """
    share, whole = share_and_whole(pixels, tissue)
    columns: dict[str, Any] = {
        "region": [region] * len(classes),
        "class": classes.names,
        "pixels": pixels.tolist(),
    }
    if square is not None:
        columns["mm2"] = (pixels * (square * 1e-6)).tolist()
    columns[share] = (100.0 * pixels / whole).tolist()
    columns["components"] = [int(count) for count in components]
    if means is not None:
        columns["mean_confidence"] = means.tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def recorded_area(row: dict[str, Any]) -> dict[str, Any]:
    """A row over all as it stands in ``areas`` of a record."""
    found = {key: value for key, value in row.items() if key not in ("region", "mean_confidence")}
    return found | {"mean confidence": row["mean_confidence"]}


def as_rows(columns: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """Rows of columns."""
    lists = (column.tolist() for column in columns.values())
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def as_columns(rows: Iterable[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    """Columns, for :func:`~napari_construct.export.tables.write_table`, of rows that have the same keys."""
    found = list(rows)
    return {key: np.array([row[key] for row in found]) for key in found[0]}
