from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from napari_construct.exceptions import InputError
from napari_construct.metrics.instances import THRESHOLDS, instance_counts, instance_iou


def row(*runs: tuple[int, int]) -> np.ndarray:
    """One row of pixels: (value, length) after (value, length)."""
    return np.concatenate([np.full(length, value) for value, length in runs])[None]


def test_iou_of_pairs_by_hand() -> None:
    truth = row((0, 2), (5, 4), (9, 4))
    prediction = row((0, 3), (1, 4), (7, 3))
    iou = instance_iou(truth, prediction).toarray()
    np.testing.assert_allclose(iou, [[3 / 5, 0], [1 / 7, 3 / 4]])


def test_counts_and_ap_by_hand() -> None:
    truth = row((0, 2), (5, 4), (9, 4), (3, 2))
    prediction = row((0, 3), (1, 4), (7, 3), (0, 2))
    counts = instance_counts(truth, prediction, (0.5, 0.6, 0.7, 0.75, 0.8))
    assert counts.true_positives.tolist() == [2, 2, 1, 1, 0]
    assert counts.false_positives.tolist() == [0, 0, 1, 1, 2]
    assert counts.false_negatives.tolist() == [1, 1, 2, 2, 3]
    scores = counts.scores()
    assert scores["ap"] == pytest.approx([2 / 3, 2 / 3, 1 / 4, 1 / 4, 0])
    assert scores["mean_ap"] == pytest.approx((4 / 3 + 1 / 2) / 5)
    assert scores["precision"][2] == pytest.approx(1 / 2)
    assert scores["recall"][2] == pytest.approx(1 / 3)
    assert scores["f1"][2] == pytest.approx(2 / 5)


def test_thresholds_are_those_of_the_literature() -> None:
    assert THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    labels = np.arange(12).reshape(3, 4)
    assert instance_counts(labels, labels).scores()["mean_ap"] == 1


def test_one_true_cell_in_two_halves_is_found_once() -> None:
    """At IoU 0.5 both halves reach the threshold, and only one may have the cell."""
    counts = instance_counts(row((1, 8)), row((1, 4), (2, 4)), (0.5,))
    assert (counts.true_positives, counts.false_positives, counts.false_negatives) == ([1], [1], [0])


def test_low_thresholds_need_an_assignment() -> None:
    """The first cell could take either prediction; the second only the first."""
    truth = row((1, 6), (2, 4))
    prediction = row((1, 3), (2, 5), (0, 2))
    found = instance_iou(truth, prediction).toarray()
    np.testing.assert_allclose(found, [[3 / 6, 3 / 8], [0, 2 / 7]])
    assert instance_counts(truth, prediction, (0.25,)).true_positives.tolist() == [2]
    prediction = row((2, 3), (1, 5), (0, 2))  # order of the numbers does not matter
    assert instance_counts(truth, prediction, (0.25,)).true_positives.tolist() == [2]


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(np.int32, (6, 7), elements=st.integers(0, 4)),
    hnp.arrays(np.int32, (6, 7), elements=st.integers(0, 4)),
    st.sampled_from((0.1, 0.2, 0.3, 0.5, 0.6, 0.9)),
)
def test_true_positives_are_those_of_the_optimal_assignment(
    truth: np.ndarray, prediction: np.ndarray, threshold: float
) -> None:
    """The definition of StarDist: scipy's assignment that maximises the number of pairs at the threshold."""
    iou = np.zeros((5, 5))
    for i in range(1, 5):
        for j in range(1, 5):
            a, b = truth == i, prediction == j
            iou[i, j] = (a & b).sum() / max((a | b).sum(), 1)
    enough = iou >= threshold
    i, j = linear_sum_assignment(-enough.astype(float) - iou / 100)
    assert instance_counts(truth, prediction, (threshold,)).true_positives[0] == enough[i, j].sum()


def test_images_add_up_and_are_averaged() -> None:
    same, lost = row((1, 4), (0, 4)), row((0, 8))
    total = (
        instance_counts(same, same, (0.5,))
        + instance_counts(row((1, 2), (2, 2), (3, 2), (0, 2)), lost, (0.5,))
        + instance_counts(lost, lost, (0.5,))
    )
    scores = total.scores()
    assert scores["ap"] == pytest.approx([1 / 4])  # 1 of 4 cells
    assert scores["ap_per_image"] == pytest.approx([1 / 2])  # the third image has no cell at all
    assert total.defined == 2


def test_nothing_to_find_is_nan() -> None:
    scores = instance_counts(np.zeros((3, 3), int), np.zeros((3, 3), int)).scores()
    assert np.isnan([scores["mean_ap"], scores["mean_ap_per_image"], *scores["ap"]]).all()


@pytest.mark.parametrize(
    ("truth", "prediction", "thresholds", "says"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), (0.5,), "one shape"),
        (np.full((2, 2), -1), np.zeros((2, 2), int), (0.5,), "at least 0 in truth, got -1"),
        (np.zeros((2, 2), int), np.zeros((2, 2), int), (0.0,), "above 0 and at most 1"),
    ],
)
def test_wrong_arrays_are_named(truth, prediction, thresholds, says) -> None:
    with pytest.raises(InputError, match=says):
        instance_counts(truth, prediction, thresholds)


def test_counts_at_other_thresholds_do_not_add() -> None:
    one = np.ones((2, 2), int)
    with pytest.raises(InputError, match="same thresholds"):
        instance_counts(one, one) + instance_counts(one, one, (0.5,))


def test_thousands_of_cells_take_no_time() -> None:
    cells = np.arange(1, 4097).reshape(64, 64).repeat(16, 0).repeat(16, 1)
    start = time.process_time()
    scores = instance_counts(cells, np.roll(cells, 2, 1)).scores()
    assert time.process_time() - start < 3  # about 0.2 s
    assert scores["ap"][5] > 0.9  # IoU 14 / 18 away from the edge
    assert scores["ap"][6] < 0.1
