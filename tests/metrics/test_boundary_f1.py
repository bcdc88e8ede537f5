from __future__ import annotations

import numpy as np
import pytest

from napari_construct.exceptions import InputError
from napari_construct.metrics.boundary_f1 import boundary_counts


def square(low: int, high: int, side: int = 24) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[low:high, low:high] = True
    return mask


def test_contour_pixels_of_a_square() -> None:
    counts = boundary_counts(square(4, 14), square(4, 14), 0.0)
    assert counts.true == counts.true_close == counts.predicted == counts.predicted_close == 36
    assert counts.scores() == {"f1": 1, "precision": 1, "recall": 1, "f1_per_image": 1}


def test_tolerance_decides() -> None:
    truth, prediction = square(4, 16), square(6, 14)  # contours two pixels apart, corners 2.83
    assert boundary_counts(truth, prediction, 1.9).scores()["f1"] == 0
    found = boundary_counts(truth, prediction, 2.0)
    assert (found.predicted, found.predicted_close) == (28, 28)
    assert (found.true, found.true_close) == (44, 32)  # near a corner it is farther than two pixels
    precision, recall = 1, 32 / 44
    assert found.scores()["f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert boundary_counts(truth, prediction, 3.0).scores()["f1"] == 1


def test_cells_have_borders_that_a_mask_has_not() -> None:
    two = np.zeros((10, 20), int)
    two[2:8, 2:10], two[2:8, 10:18] = 1, 2
    assert boundary_counts(two > 0, two > 0, 1.0).true == 2 * 16 + 2 * 4
    assert boundary_counts(two, two, 1.0).true == 2 * 16 + 4 * 4
    assert boundary_counts(two, (two > 0).astype(int), 1.0).scores()["recall"] < 1


def test_images_add_up() -> None:
    good, lost = boundary_counts(square(4, 14), square(4, 14)), boundary_counts(square(4, 14), square(0, 0))
    nothing = boundary_counts(square(0, 0), square(0, 0))
    scores = (good + lost + nothing).scores()
    assert scores["precision"] == 1
    assert scores["recall"] == pytest.approx(1 / 2)
    assert scores["f1"] == pytest.approx(2 / 3)
    assert scores["f1_per_image"] == pytest.approx(1 / 2)
    assert np.isnan(list(nothing.scores().values())).all()


def test_the_edge_of_the_image_is_no_contour() -> None:
    assert boundary_counts(np.ones((5, 5), bool), np.ones((5, 5), bool)).true == 0


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(InputError, match="one shape"):
        boundary_counts(square(1, 2), square(1, 2, 9))
    with pytest.raises(InputError, match=r"at least 0 pixels, got -1\.0"):
        boundary_counts(square(1, 2), square(1, 2), -1.0)
