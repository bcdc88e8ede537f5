from __future__ import annotations

import numpy as np
import pytest

from napari_construct.exceptions import InputError
from napari_construct.metrics.overlap import overlap_counts

TRUTH = np.array([[0, 3, 3, 0, 0, 0]])


def test_by_hand() -> None:
    counts = overlap_counts(TRUTH, np.array([[0, 0, 1, 1, 2, 0]]))
    assert (counts.both, counts.truth, counts.prediction) == (1, 2, 3)
    scores = counts.scores()
    assert scores["dice"] == scores["dice_per_image"] == pytest.approx(2 / 5)
    assert scores["iou"] == scores["iou_per_image"] == pytest.approx(1 / 4)


def test_pooled_and_per_image_differ() -> None:
    total = (
        overlap_counts(TRUTH, TRUTH > 0)
        + overlap_counts(np.ones((1, 8), int), np.zeros((1, 8), int))
        + overlap_counts(np.zeros((1, 8), int), np.zeros((1, 8), int))
    )
    scores = total.scores()
    assert scores["dice"] == pytest.approx(4 / 12)
    assert scores["dice_per_image"] == pytest.approx(1 / 2)
    assert scores["iou"] == pytest.approx(2 / 10)


def test_only_valid_pixels_count() -> None:
    valid = np.array([[True, True, True, False, False, True]])
    assert overlap_counts(TRUTH, np.array([[0, 1, 1, 1, 1, 0]]), valid).scores()["dice"] == 1


def test_nothing_there_is_nan_and_shapes_are_named() -> None:
    empty = np.zeros((2, 2), bool)
    assert np.isnan(list(overlap_counts(empty, empty).scores().values())).all()
    with pytest.raises(InputError, match="one shape"):
        overlap_counts(empty, TRUTH)
