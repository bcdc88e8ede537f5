"""How much each class covers."""

from __future__ import annotations

import numpy as np

from napari_construct.results.areas import class_pixels

LABELS = np.array([[0, 1, 1], [2, 1, 0]], np.uint8)


def test_pixels_and_weights_are_summed_by_class_without_the_unlabelled() -> None:
    assert class_pixels(LABELS, 3).tolist() == [3, 1, 0]
    assert class_pixels(np.stack([LABELS, LABELS]), 2).tolist() == [6, 2]
    weights = np.full(LABELS.shape, 0.5, np.float32)
    assert class_pixels(LABELS, 3, weights).tolist() == [1.5, 0.5, 0.0]
