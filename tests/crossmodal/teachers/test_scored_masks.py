"""Masks with scores, merged by hand-made examples; points in nuclei."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_construct.crossmodal.protocol import TeacherView
from napari_construct.crossmodal.teachers.nuclei_points import nuclei_points
from napari_construct.crossmodal.teachers.scored_masks import ScoredMask, cut_out, merged


def square(row: int, column: int, side: int, score: float) -> ScoredMask:
    mask = np.zeros((40, 40), bool)
    mask[row : row + side, column : column + side] = True
    found = cut_out(mask, score)
    assert found is not None
    return found


def test_a_mask_is_cut_to_its_box_and_its_score_to_a_probability() -> None:
    mask = square(3, 5, 4, 1.7)
    assert (mask.row, mask.column, mask.inside.shape, mask.area, mask.score) == (3, 5, (4, 4), 16, 1.0)
    assert cut_out(np.zeros((9, 9), bool), 0.5) is None


def test_the_better_of_two_masks_of_one_cell_stays() -> None:
    found = merged(
        [square(10, 10, 10, 0.6), square(11, 11, 10, 0.9)], (40, 40), overlap=0.5, smallest=1, largest=1.0
    )
    assert found.instances is not None
    assert found.instances.max() == 1
    assert found.instances[20, 20] == 1
    assert found.foreground[10, 10] == 0
    assert found.foreground.max() == pytest.approx(0.9)


def test_a_nucleus_in_a_better_cell_goes_and_shared_pixels_belong_to_the_better_one() -> None:
    masks = [square(10, 10, 4, 0.5), square(8, 8, 12, 0.8), square(8, 18, 12, 0.7)]
    found = merged(masks, (40, 40), overlap=0.5, smallest=1, largest=1.0)
    assert found.instances is not None
    assert found.instances.max() == 2
    assert (found.instances == 1).sum() == 144
    assert (found.instances == 2).sum() == 144 - 2 * 12
    assert found.foreground[9, 19] == pytest.approx(0.8), "the highest score over a pixel"
    assert found.foreground[9, 25] == pytest.approx(0.7)


def test_masks_of_the_background_and_specks_are_left_out() -> None:
    masks = [square(0, 0, 40, 1.0), square(5, 5, 2, 0.9), square(20, 20, 8, 0.3)]
    found = merged(masks, (40, 40), overlap=0.5, smallest=5, largest=0.2)
    assert found.instances is not None
    assert np.unique(found.instances).tolist() == [0, 1]
    assert (found.foreground > 0).sum() == 64
    none = merged([], (40, 40), overlap=0.5, smallest=5, largest=0.2)
    assert none.foreground.sum() == 0


def test_one_point_lies_in_each_nucleus(view: TeacherView, places: list[tuple[int, int]]) -> None:
    noisy = view.channels[0] + np.random.default_rng(0).normal(0, 0.1, view.channels[0].shape)
    found = nuclei_points(noisy.astype(np.float32), 8.0)
    assert len(found) == len(places)
    for place in places:
        assert np.abs(found - place).max(axis=1).min() <= 3


def test_a_flat_channel_has_no_nuclei() -> None:
    flat: NDArray[np.float32] = np.full((30, 30), 0.3, np.float32)
    assert nuclei_points(flat, 8.0).shape == (0, 2)
