"""Balanced drawing: classes alike, slides alike, nothing left out, the same for every seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.training.randomness import epoch_order, generator
from napari_construct.training.views.sampling import (
    Sampler,
    balanced_probabilities,
    label_sets,
    systematic_draw,
)


def shares(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """How often each class occurs in a draw."""
    return np.asarray(probabilities @ labels)


def test_single_labels_and_slides_have_a_closed_form() -> None:
    """Class a: slide x with 3 patches, y with 1; class b: slide x with 2. Halves, quarters, then patches."""
    labels = np.array([[1, 0]] * 4 + [[0, 1]] * 2, np.uint8)
    p = balanced_probabilities(labels, ["x", "x", "x", "y", "x", "x"])
    np.testing.assert_allclose(p, [1 / 12, 1 / 12, 1 / 12, 1 / 4, 1 / 4, 1 / 4])


def test_without_groups_patches_of_a_class_are_alike() -> None:
    labels = np.array([[1, 0]] * 9 + [[0, 1]], np.uint8)
    np.testing.assert_allclose(balanced_probabilities(labels), [0.5 / 9] * 9 + [0.5])


def test_classes_occur_alike_where_patches_hold_several() -> None:
    labels = np.array([[1, 1]] * 60 + [[1, 0]] * 30 + [[0, 1]] * 10, np.uint8)
    before, after = labels.mean(0), shares(labels, balanced_probabilities(labels))
    assert abs(before[0] - before[1]) == pytest.approx(0.2)
    assert after[0] == pytest.approx(after[1], abs=1e-5)


def test_no_patch_is_given_up_where_classes_cannot_be_alike() -> None:
    """Class b is never alone, so equal shares would need b's company only."""
    labels = np.array([[1, 1]] * 5 + [[1, 0]] * 95, np.uint8)
    p = balanced_probabilities(labels)
    assert p.sum() == pytest.approx(1)
    assert p[5:].sum() == pytest.approx(0.25 * 95 / 100, rel=1e-6), "a quarter of the draws is for class a"


def test_patches_without_a_class_keep_their_place() -> None:
    labels = np.array([[1, 0]] * 45 + [[0, 1]] * 45 + [[0, 0]] * 10, np.uint8)
    p = balanced_probabilities(labels)
    np.testing.assert_allclose([p[:45].sum(), p[45:90].sum(), p[90:].sum()], [0.45, 0.45, 0.1])
    crowded = np.array([[1, 0], [0, 1]] + [[0, 0]] * 98, np.uint8)
    assert balanced_probabilities(crowded)[2:].sum() == pytest.approx(1 / 3)


def test_a_class_without_patches_changes_nothing() -> None:
    labels = np.array([[1, 0, 0]] * 3 + [[0, 0, 1]], np.uint8)
    np.testing.assert_allclose(balanced_probabilities(labels), [1 / 6] * 3 + [1 / 2])


@pytest.mark.parametrize("seed", range(5))
def test_an_epoch_draws_each_patch_as_often_as_expected_up_to_one(seed: int) -> None:
    p = np.random.default_rng(seed).random(50) ** 3
    p /= p.sum()
    counts = np.bincount(systematic_draw(p, generator(seed, "order", 0)).numpy(), minlength=50)
    assert counts.sum() == 50
    assert bool((np.abs(counts - 50 * p) < 1).all())


def test_even_probabilities_visit_every_patch_once() -> None:
    drawn = systematic_draw(np.full(37, 1 / 37), generator(3, "order", 0))
    assert sorted(drawn.tolist()) == list(range(37))


def test_uniform_sampling_is_the_epochs_order() -> None:
    sampler = Sampler(5, 10, 4)
    seen = [i for step in range(3) for i in sampler.indices(step)]
    assert seen == epoch_order(5, 0, 10).tolist()
    assert len(sampler.indices(2)) == 2
    assert sampler.indices(3) == epoch_order(5, 1, 10).tolist()[:4]


def test_steps_can_be_asked_for_in_any_order() -> None:
    labels = np.array([[1, 0]] * 8 + [[0, 1]] * 2, np.uint8)
    p = balanced_probabilities(labels)
    forward, jumping = Sampler(1, 10, 3, p), Sampler(1, 10, 3, p)
    expected = [forward.indices(step) for step in range(12)]
    assert [jumping.indices(step) for step in (11, 2, 5, 0)] == [expected[i] for i in (11, 2, 5, 0)]
    assert expected[:4] != expected[4:8], "epochs differ"


def test_weights_count_patches_as_they_are_drawn() -> None:
    labels = np.array([[1, 0]] * 9 + [[0, 1]], np.uint8)
    sampler = Sampler(0, 10, 5, balanced_probabilities(labels))
    expected = sampler.expected_labels(torch.from_numpy(labels).float()).sum(0)
    torch.testing.assert_close(expected, torch.tensor([5.0, 5.0]))


def test_sets_of_labels_are_drawn_alike() -> None:
    labels = np.array([[1, 0]] * 2 + [[0, 1]] * 3 + [[1, 1]] * 15, dtype=np.uint8)
    sets = label_sets(labels)
    assert sets.sum(0).tolist() == [3, 2, 15]
    assert sets.sum(1).tolist() == [1] * 20
    probabilities = balanced_probabilities(sets)
    assert [probabilities[part].sum() for part in (slice(2), slice(2, 5), slice(5, 20))] == pytest.approx(
        [1 / 3] * 3
    )
