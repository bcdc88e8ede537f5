from __future__ import annotations

import numpy as np
import pytest

from napari_construct.metrics.first_class import other_first_class, value_counts, zero_is_unlabelled

K = 3
EVERY = np.ones((8, 8), np.bool_)
PREDICTION = np.random.default_rng(0).integers(1, K + 1, (8, 8)).astype(np.uint8)


@pytest.mark.parametrize("first", [0, 1])
def test_the_right_reading_accuses_nobody(first):
    mask = PREDICTION - 1 + first
    counts = value_counts(mask.astype(np.uint8), PREDICTION, K, EVERY)
    assert other_first_class(counts, first) == ""
    said = other_first_class(counts, 1 - first)
    assert f"with {first} as the first class" in said
    assert "100.0 %" in said
    assert f"--first-class {first}" in said


def test_ignored_pixels_and_other_values_do_not_count():
    mask = np.array([[0, 1, 2, 3, 9, 255]], np.uint8)
    prediction = np.array([[0, 1, 2, 3, 1, 1]], np.uint8)
    scored = np.array([[True, True, True, False, True, True]])
    counts = value_counts(mask, prediction, K, scored)
    expected = np.zeros((4, 4), int)
    expected[0, 3] = expected[1, 0] = expected[2, 1] = 1
    np.testing.assert_array_equal(counts, expected)


def test_a_model_that_finds_nothing_accuses_nobody():
    mask = np.random.default_rng(1).integers(0, K, (8, 8)).astype(np.uint8)
    assert other_first_class(value_counts(mask, PREDICTION, K, EVERY), 0) == ""
    assert other_first_class(np.zeros((4, 4), np.int64), 1) == ""


def test_classes_in_another_order_are_no_unlabelled_pixels():
    """Two classes that a model calls the other way round would fit too, with half of the pixels gone."""
    mask = np.repeat([[0, 1]], 8, axis=1).astype(np.uint8)
    every = np.ones(mask.shape, np.bool_)
    swapped = value_counts(mask, (2 - mask).astype(np.uint8), 2, every)
    assert other_first_class(swapped, 0)
    assert zero_is_unlabelled(swapped) == ""
    assert "100.0 % mean IoU, and 0.0 %" in zero_is_unlabelled(value_counts(mask, mask, 2, every))
