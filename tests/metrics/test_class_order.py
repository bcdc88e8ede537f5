"""Masks in another order are noticed where the evidence is strong, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from napari_construct.metrics.class_order import order_notice, other_order, other_reading, reordered


def matrix(rows: list[list[int]]) -> np.ndarray:
    """Confusion counts, with an empty column for unlabelled pixels."""
    return np.column_stack([np.array(rows), np.zeros(len(rows), dtype=np.int64)])


def test_a_cyclic_order_is_found() -> None:
    counts = matrix([[5, 90, 5], [5, 5, 90], [90, 5, 5]])
    found = other_order(counts)
    assert found.order == (1, 2, 0)
    turned = reordered(counts, found.order)
    assert turned.tolist() == matrix([[90, 5, 5], [5, 90, 5], [5, 5, 90]]).tolist()
    assert (found.present, found.other) == (pytest.approx(5 / 195), pytest.approx(90 / 110))


def test_the_right_order_says_nothing() -> None:
    assert other_order(matrix([[90, 10], [10, 90]])) is None


def test_a_weak_model_accuses_nobody() -> None:
    assert other_order(matrix([[40, 60], [60, 40]])) is None, "mean IoU 0.43 is no evidence"
    assert other_order(matrix([[0, 0], [90, 10]])) is None, "one class alone has no order"


def test_the_notice_names_values_classes_and_scores() -> None:
    found = other_order(matrix([[2, 98], [98, 2]]))
    text = order_notice(found, ("gland", "stroma"), first=1)
    assert text == "the masks score better in the order 1 stroma, 2 gland: 1 % -> 96 % mIoU"


def test_two_classes_in_another_order_are_no_other_first_class() -> None:
    """Value 0 is class 1 and value 1 is class 0: with 1 as the first class, value 1 would fit, too."""
    values = np.array([[2, 98, 0], [98, 2, 0], [0, 0, 50]])
    shifted, found = other_reading(values, values[:2], 0)
    assert (shifted, found.order) == ("", (1, 0))


def test_unlabelled_zeros_are_another_first_class() -> None:
    values = np.array([[0, 30, 170], [98, 2, 0], [2, 98, 0]])
    shifted, found = other_reading(values, values[:2], 0)
    assert "with 1 as the first class" in shifted
    assert found is None
