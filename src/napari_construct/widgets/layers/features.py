"""The table of a labels layer, which napari's own feature table shows and saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_construct.results.result import PERCENT_OF_TISSUE, SegmentationResult


def label_features(result: SegmentationResult) -> dict[str, list[Any]]:
    """Columns of the labels' table, one row a class: areas, components, mean confidence (0 to 1), presence.

    The column ``index`` is the label's value; napari finds rows by it.
    """
    k = len(result.classes)
    measures = result.measures()
    flat = result.labels.ravel()
    total = np.bincount(flat, weights=result.confidence.ravel(), minlength=k + 1)[1 : k + 1]
    count = np.bincount(flat, minlength=k + 1)[1 : k + 1]
    mean = np.full(k, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return {
        "index": list(range(1, k + 1)),
        **{column: [row[column] for row in measures] for column in measures[0]},
        "mean confidence": mean.tolist(),
        "present": list(result.presence),
        "presence score": list(result.presence_scores),
    }


def joined_features(tables: Sequence[Mapping[str, list[Any]]]) -> dict[str, list[Any]]:
    """One table of several planes: areas and components are added, shares, confidences weighted by area."""
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
