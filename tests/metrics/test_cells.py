"""Scores of cells over images."""

from __future__ import annotations

import numpy as np
import pytest

from napari_construct.metrics.cells import cell_counts


def test_counts_of_images_add_up_to_pooled_scores() -> None:
    truth = np.zeros((40, 40), np.int32)
    truth[5:15, 5:15], truth[20:30, 20:30] = 1, 2
    half = np.where(truth == 1, 7, 0)
    perfect, missed = cell_counts(truth, truth), cell_counts(truth, half)
    assert perfect.scores() == pytest.approx({"dice": 1, "iou": 1, "boundary_f1": 1, "ap50": 1, "ap": 1})
    both = (perfect + missed).scores()
    assert both["dice"] == pytest.approx(2 * 300 / (400 + 300))
    assert both["iou"] == pytest.approx(300 / 400)
    assert both["ap50"] == pytest.approx(3 / 4)
    assert both["ap"] == pytest.approx(3 / 4)
    assert both["boundary_f1"] == pytest.approx(2 * 1 * 0.75 / 1.75)
