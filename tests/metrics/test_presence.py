from __future__ import annotations

import numpy as np
import pytest

from napari_construct.exceptions import InputError
from napari_construct.metrics.presence import classes_in_mask, presence_counts


def test_closed_form() -> None:
    truth = [[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]]
    found = [[1, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]]
    scores = presence_counts(truth, found, 3).scores()
    assert scores["precision"][:2] == pytest.approx([1, 1 / 2])
    assert scores["recall"][:2] == pytest.approx([2 / 3, 1 / 2])
    assert scores["f1"][:2] == pytest.approx([0.8, 0.5])
    assert scores["macro_f1"] == pytest.approx(0.65), "a class that is nowhere is left out of the mean"
    assert np.isnan([scores["precision"][2], scores["recall"][2], scores["f1"][2]]).all()


def test_always_missed_scores_zero_and_counts_add_up() -> None:
    first, second = presence_counts([[1, 1]], [[1, 0]], 2), presence_counts([[0, 1]], [[0, 0]], 2)
    both = first + second
    assert both.n == 2
    assert both.scores()["f1"] == [1.0, 0.0]
    assert np.isnan(both.scores()["precision"][1])
    nothing = presence_counts(np.zeros((0, 2)), [], 2)
    assert np.isnan(nothing.scores()["macro_f1"])
    assert (nothing + both).n == 2


def test_rule_of_the_fraction_counts_scored_pixels_only() -> None:
    mask = np.array([[0] * 90 + [1] * 4 + [2] * 6 + [9] * 400])
    assert classes_in_mask(mask, 3, 0.05, {9}).tolist() == [True, False, True]
    assert classes_in_mask(mask, 3, 0.05).tolist() == [True, False, False]
    assert classes_in_mask(mask, 3, 0.0, {9}).tolist() == [True, True, True]
    assert classes_in_mask(np.full((2, 2), 9), 3, 0.0, {9}).tolist() == [False, False, False]


def test_rows_must_match() -> None:
    with pytest.raises(InputError, match="one row per image"):
        presence_counts([[1, 0]], [[1, 0], [0, 1]], 2)
