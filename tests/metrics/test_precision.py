"""Precision and recall by hand."""

from __future__ import annotations

import numpy as np

from napari_construct.metrics.segmentation import precision_recall


def test_by_hand() -> None:
    # 8 of 12 true a found, 2 as b, 2 unlabelled; of b 3 of 5; c neither true nor predicted
    precision, recall = precision_recall(np.array([[8, 2, 0, 2], [2, 3, 0, 0], [0, 0, 0, 0]]))
    np.testing.assert_allclose(precision, [8 / 10, 3 / 5, np.nan])
    np.testing.assert_allclose(recall, [8 / 12, 3 / 5, np.nan])


def test_of_a_perfect_prediction() -> None:
    precision, recall = precision_recall(np.array([[4, 0, 0], [0, 9, 0]]))
    np.testing.assert_array_equal(precision, [1, 1])
    np.testing.assert_array_equal(recall, [1, 1])
