"""Masks in another order are noticed where the evidence is strong, and only there."""

from __future__ import annotations

import numpy as np

from napari_construct.training.calibration.class_order import order_notice, other_order


def matrix(rows: list[list[int]]) -> np.ndarray:
    """Confusion counts, with an empty column for unlabelled pixels."""
    return np.column_stack([np.array(rows), np.zeros(len(rows), dtype=np.int64)])


def test_a_cyclic_order_is_found() -> None:
    assert other_order(matrix([[5, 90, 5], [5, 5, 90], [90, 5, 5]])) == (1, 2, 0)


def test_the_right_order_says_nothing() -> None:
    assert other_order(matrix([[90, 10], [10, 90]])) is None


def test_a_weak_model_accuses_nobody() -> None:
    assert other_order(matrix([[40, 60], [60, 40]])) is None, "mean IoU 0.43 is no evidence"
    assert other_order(matrix([[0, 0], [90, 10]])) is None, "one class alone has no order"


def test_the_notice_names_values_and_classes() -> None:
    text = order_notice((1, 0), ("gland", "stroma"))
    assert "a different order: 0 stroma, 1 gland;" in text
    assert "--classes" in text
