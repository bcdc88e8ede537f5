"""How much each class covers."""

from __future__ import annotations

import numpy as np
import pytest

from napari_construct.results.areas import area_columns, area_rows, class_pixels

LABELS = np.array([[0, 1, 1], [2, 1, 0]], np.uint8)


def test_only_what_is_known_is_said() -> None:
    assert area_rows(LABELS, ["a", "b", "c"]) == [
        {"class": "a", "pixels": 3},
        {"class": "b", "pixels": 1},
        {"class": "c", "pixels": 0},
    ]
    first = area_rows(LABELS, ["a", "b"], mpp=10.0, tissue=4)[0]
    assert first == {"class": "a", "pixels": 3, "percent": 75.0, "mm2": pytest.approx(3e-4)}
    assert area_rows(LABELS * 0, ["a"], tissue=0)[0]["percent"] == 0


def test_columns_are_rows_with_the_labels_value_as_index() -> None:
    columns = area_columns(area_rows(np.stack([LABELS, LABELS]), ["a", "b"]))
    assert columns == {"index": [1, 2], "class": ["a", "b"], "pixels": [6, 2]}
    assert area_columns([]) == {"index": []}


def test_weights_are_summed_by_class() -> None:
    weights = np.full(LABELS.shape, 0.5, np.float32)
    assert class_pixels(LABELS, 3, weights).tolist() == [1.5, 0.5, 0.0]
