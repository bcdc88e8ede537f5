from __future__ import annotations

import numpy as np
import pytest

from napari_construct.evaluation.cells.overlays import chosen_images
from napari_construct.evaluation.cells.scores import (
    CellImageScore,
    CellModelScores,
    flat,
    mean_over_images,
    pooled_scores,
    score_arrays,
)
from napari_construct.metrics.cells import cell_counts


def _two_cells() -> tuple[np.ndarray, np.ndarray]:
    """Two true cells of 100 pixels; one found at IoU 80/100, one at 60/100; a third invented, 40 pixels."""
    truth, found = np.zeros((40, 40), np.int32), np.zeros((40, 40), np.int32)
    truth[0:10, 0:10], truth[20:30, 0:10] = 1, 2
    found[0:8, 0:10], found[20:26, 0:10], found[0:4, 20:30] = 5, 6, 7
    return truth, found


def test_scores_by_hand() -> None:
    found = score_arrays(flat(cell_counts(*_two_cells())))
    assert found["dice"] == pytest.approx(2 * 140 / (200 + 180))
    assert found["iou"] == pytest.approx(140 / (200 + 180 - 140))
    # of 2 true and 3 found cells both match up to 0.6, one up to 0.8, none beyond
    expected = [2 / 3] * 3 + [1 / 4] * 4 + [0.0] * 3
    assert found["ap_by_iou"] == pytest.approx(expected)
    assert (found["ap50"], found["ap75"]) == pytest.approx((2 / 3, 1 / 4))
    assert found["ap"] == pytest.approx(np.mean(expected))


def test_scores_are_those_of_the_counts() -> None:
    rng = np.random.default_rng(0)
    counts = [cell_counts(*(rng.integers(0, 4, (2, 30, 30)).repeat(4, 1).repeat(4, 2))) for _ in range(3)]
    total = counts[0] + counts[1] + counts[2]
    found = score_arrays(np.stack([flat(one) for one in counts]).sum(axis=0))
    for name, value in total.scores().items():
        assert found[name] == pytest.approx(value), name


def test_pooled_and_mean_over_images_differ() -> None:
    """A right image of 100 pixels and a wrong one of 300."""
    cell, wrong = np.zeros((20, 20), np.int32), np.zeros((20, 20), np.int32)
    cell[:10, :10], wrong[5:20, :] = 1, 1
    images = (
        CellImageScore("right", cell_counts(cell, cell)),
        CellImageScore("wrong", cell_counts(wrong, np.zeros_like(wrong))),
        CellImageScore("empty", cell_counts(np.zeros_like(cell), np.zeros_like(cell))),
    )
    model = CellModelScores("model", 0, {}, images)
    assert pooled_scores(model)["dice"] == pytest.approx(200 / 500)
    assert mean_over_images(model)["dice"] == pytest.approx(0.5), "the empty image has no Dice"
    assert pooled_scores(CellModelScores("none", 0, {}, images[2:]))["ap50"] is None


def test_worst_median_and_best_are_different_images() -> None:
    scores = [0.5, None, 0.1, 0.9, 0.7, 0.3]
    assert chosen_images(scores, 1) == [(2, "worst"), (0, "median"), (3, "best")]
    assert chosen_images([0.4, 0.2], 2) == [(1, "worst"), (0, "worst")]
    assert chosen_images(scores, 0) == []
