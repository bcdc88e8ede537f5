"""The feature table of a labels layer, shown and saved by napari."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_construct.results.areas import PERCENT_OF_TISSUE
from napari_construct.results.segmentation import Segmentation

Features = Mapping[str, list[Any]]
"""Columns of the table by their names."""


def label_features(result: Segmentation) -> dict[str, list[Any]]:
    """Columns of the table, one row per class; see :meth:`Segmentation.table`.

    napari finds rows by the column ``index``, the label's value.
    """
    rows = result.table()
    return {"index" if column == "label" else column: [row[column] for row in rows] for column in rows[0]}


def joined_features(tables: Sequence[Features]) -> dict[str, list[Any]]:
    """One table of several planes: sums of areas and components, percents and confidences by area."""
    names = list(tables[0])
    joined = {name: list(tables[0][name]) for name in names}
    pixels = np.array([t["pixels"] for t in tables], dtype=np.float64)
    tissue = np.array([sum(t["pixels"]) / max(sum(t[PERCENT_OF_TISSUE]) / 100, 1e-9) for t in tables])
    for name in names:
        values = [t[name] for t in tables]
        if name in {"pixels", "mm2", "components"}:
            joined[name] = np.sum(values, axis=0).tolist()
        elif name == PERCENT_OF_TISSUE:
            joined[name] = (100 * pixels.sum(0) / max(float(tissue.sum()), 1.0)).tolist()
        elif name == "mean confidence":
            total = np.nansum(np.array(values) * pixels, axis=0)
            joined[name] = np.where(pixels.sum(0) > 0, total / np.maximum(pixels.sum(0), 1), np.nan).tolist()
        elif name == "present":
            joined[name] = np.any(values, axis=0).tolist()
        elif name == "presence score":
            joined[name] = np.max(values, axis=0).tolist()
    return joined
