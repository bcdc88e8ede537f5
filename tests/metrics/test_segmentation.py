from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_construct.exceptions import InputError
from napari_construct.metrics.segmentation import confusion_matrix, scores_from_confusion

GOLDEN = Path(__file__).parents[3] / "shared" / "parity" / "construct_reference.npz"


def test_closed_form_of_two_overlapping_halves() -> None:
    truth = np.zeros((2, 8), dtype=np.uint8)
    truth[1] = 1
    prediction = truth + 1
    prediction[0, :2] = 2  # two of eight pixels of class 0 called class 1
    matrix = confusion_matrix(truth, prediction, 2)
    assert matrix.tolist() == [[6, 2, 0], [0, 8, 0]]
    scores = scores_from_confusion(matrix)
    assert scores["iou"] == pytest.approx([6 / 8, 8 / 10])
    assert scores["dice"] == pytest.approx([12 / 14, 16 / 18])
    assert scores["miou"] == pytest.approx((6 / 8 + 8 / 10) / 2)
    assert scores["mdice"] == pytest.approx((12 / 14 + 16 / 18) / 2)
    assert scores["fwiou"] == pytest.approx(0.5 * 6 / 8 + 0.5 * 8 / 10)


def test_unlabelled_pixels_are_misses_of_their_class() -> None:
    truth = np.array([[0, 0, 0, 1]])
    scores = scores_from_confusion(confusion_matrix(truth, np.array([[1, 0, 0, 2]]), 2))
    assert scores["iou"] == pytest.approx([1 / 3, 1.0])
    assert scores["fwiou"] == pytest.approx(0.75 / 3 + 0.25)


def test_ignored_pixels_count_nowhere() -> None:
    truth = np.array([[0, 1, 4, 4]])
    matrix = confusion_matrix(truth, np.array([[1, 2, 1, 2]]), 2, ignore=(4,))
    assert matrix.sum() == 2
    assert scores_from_confusion(matrix)["miou"] == 1.0


def test_absent_class_is_nan_and_left_out_of_means() -> None:
    truth = np.zeros((4, 4), dtype=np.uint8)
    scores = scores_from_confusion(confusion_matrix(truth, truth + 1, 3))
    assert scores["iou"][0] == 1.0
    assert np.isnan(scores["iou"][1:]).all()
    assert scores["miou"] == scores["mdice"] == scores["fwiou"] == 1.0


def test_predicted_but_never_true_scores_zero() -> None:
    scores = scores_from_confusion(confusion_matrix(np.zeros((1, 2), int), np.array([[1, 2]]), 2))
    assert scores["iou"] == [0.5, 0.0]


def test_nothing_to_score_is_nan() -> None:
    scores = scores_from_confusion(confusion_matrix(np.full((2, 2), 9), np.ones((2, 2), int), 2, ignore=[9]))
    assert np.isnan([scores["miou"], scores["mdice"], scores["fwiou"]]).all()


@given(
    hnp.arrays(np.uint8, (5, 7), elements=st.integers(0, 2)),
    hnp.arrays(np.uint8, (5, 7), elements=st.integers(0, 3)),
)
def test_matrices_add_and_agree_with_sets(truth: np.ndarray, prediction: np.ndarray) -> None:
    whole = confusion_matrix(truth, prediction, 3)
    halves = confusion_matrix(truth[:2], prediction[:2], 3) + confusion_matrix(truth[2:], prediction[2:], 3)
    assert (whole == halves).all()
    iou = scores_from_confusion(whole)["iou"]
    for i in range(3):
        a, b = truth == i, prediction == i + 1
        union = (a | b).sum()
        assert np.isnan(iou[i]) if union == 0 else iou[i] == pytest.approx((a & b).sum() / union)


@pytest.mark.parametrize(
    ("truth", "prediction", "says"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), "one shape"),
        (np.full((2, 2), 7), np.ones((2, 2), int), "got 7; name other values in ignore"),
        (np.zeros((2, 2), int), np.full((2, 2), 5), "check the class table"),
    ],
)
def test_wrong_arrays_are_named(truth: np.ndarray, prediction: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=says):
        confusion_matrix(truth, prediction, 2)


def test_wrong_matrix_is_refused() -> None:
    with pytest.raises(InputError, match="confusion_matrix"):
        scores_from_confusion(np.zeros((2, 5), int))


@pytest.mark.skipif(not GOLDEN.exists(), reason="the golden numbers of the released code are not here")
def test_scores_of_the_released_code() -> None:
    """In percent; that code counts white (value 4) as a fifth class and leaves it out of the means only."""
    with np.load(GOLDEN) as golden:
        mask, refined, expected = golden["masks"], golden["refined_mask"], golden["miou_mdice_fwiou"]
    scores = scores_from_confusion(confusion_matrix(mask, refined + 1, 5))
    found = 100 * np.array([np.mean(scores["iou"][:4]), np.mean(scores["dice"][:4]), scores["fwiou"]])
    np.testing.assert_allclose(found, expected, atol=1e-4)
