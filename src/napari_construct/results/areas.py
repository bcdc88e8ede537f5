"""How much of an image each class covers: computed here, shown by tables, records and layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.types import FloatArray


def class_pixels(labels: NDArray[Any], k: int, weights: FloatArray | None = None) -> NDArray[Any]:
    """(k,) pixels of each class, or the sum of their weights; label ``i + 1`` is class ``i``."""
    flat = None if weights is None else weights.ravel()
    counts: NDArray[Any] = np.bincount(labels.ravel(), weights=flat, minlength=k + 1)[1 : k + 1]
    return counts


def area_rows(
    labels: NDArray[Any], names: Sequence[str], *, mpp: float | None = None, tissue: int | None = None
) -> list[dict[str, Any]]:
    """A row a class: pixels, percent of the tissue and mm2, where these are known.

    Parameters
    ----------
    labels : ndarray
        Any shape; 0 unlabelled, ``i + 1`` class ``i``.
    names : sequence of str
        Of the k classes.
    mpp : float, optional
        Micrometres per pixel.
    tissue : int, optional
        Pixels that are tissue.
    """
    rows: list[dict[str, Any]] = []
    for name, pixels in zip(names, class_pixels(labels, len(names)).tolist(), strict=True):
        row: dict[str, Any] = {"class": name, "pixels": pixels}
        if tissue is not None:
            row["percent"] = 100.0 * pixels / max(tissue, 1)
        if mpp is not None:
            row["mm2"] = pixels * mpp**2 * 1e-6
        rows.append(row)
    return rows


def area_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The same as columns; ``index`` is the label's value, by which napari finds rows."""
    columns: dict[str, list[Any]] = {"index": list(range(1, len(rows) + 1))}
    return columns | {key: [row[key] for row in rows] for key in (rows[0] if rows else ())}
