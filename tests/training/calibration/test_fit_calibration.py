"""Temperature, offsets and thresholds against closed forms, brute force and limiting cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import expit

from napari_construct.training.calibration.fit_calibration import (
    cross_fitted_f1,
    fit_calibration,
    fit_softmax,
    logistic_crossing,
    macro_f1,
    presence_threshold,
)
from napari_construct.training.calibration.labelled_logits import LabelledLogits, join, of_patches


def patches(pooled: torch.Tensor, labels: np.ndarray, noise: float = 0.0) -> LabelledLogits:
    """Patches of 4 x 4 cells around their pooled logits."""
    generator = torch.Generator().manual_seed(0)
    cams = pooled[:, :, None, None] + noise * torch.randn((*pooled.shape, 4, 4), generator=generator)
    return of_patches(pooled, list(cams), labels)


def drawn(n: int, k: int = 3, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Logits, and one class each, drawn with the probabilities of their softmax."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, k, generator=generator)
    classes = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return logits, np.eye(k, dtype=np.uint8)[classes.numpy()]


def f1(scores: np.ndarray, labels: np.ndarray, threshold: float) -> float:
    predicted = scores >= threshold
    return 2 * (predicted & (labels > 0)).sum() / (predicted.sum() + labels.sum())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature_and_offsets_are_recovered(temperature: float) -> None:
    logits, labels = drawn(6000)
    shifts = torch.tensor([1.0, -0.5, -0.5])
    found, offsets = fit_softmax(patches((logits - shifts) * temperature, labels), offsets=True)
    assert found == pytest.approx(temperature, rel=0.1)
    assert offsets == pytest.approx(shifts.tolist(), abs=0.1)
    assert sum(offsets) == pytest.approx(0, abs=1e-9)


def test_offsets_of_two_classes_have_a_closed_form() -> None:
    """One score for all patches, three quarters of which are of class 0, give nothing to balance."""
    labels = np.eye(2, dtype=np.uint8)[[0, 0, 0, 1] * 500]
    _, offsets = fit_softmax(patches(torch.tensor([[2.0, 0.0]]).repeat(2000, 1), labels), offsets=True)
    temperature, alone = fit_softmax(patches(torch.tensor([[2.0, 0.0]]).repeat(2000, 1), labels))
    assert offsets[0] - offsets[1] < 0  # classes are alike in weight: the lead of class 0 is undone
    assert alone == ()
    assert temperature > 10


def test_a_cell_more_does_not_give_a_patch_more_say() -> None:
    logits, labels = drawn(40, 2)
    once = patches(logits, labels)
    first = once.cell_owners == once.cell_owners[0]
    twice = LabelledLogits(
        once.pooled,
        once.labels,
        np.concatenate([once.cells, once.cells[first]]),
        np.concatenate([once.cell_classes, once.cell_classes[first]]),
        np.concatenate([once.cell_owners, once.cell_owners[first]]),
        once.owners,
    )
    assert fit_softmax(twice, offsets=True)[0] == pytest.approx(fit_softmax(once, offsets=True)[0], rel=1e-4)


def test_perfect_patches_do_not_ask_for_certainty() -> None:
    """With margins of 18 in 40 patches the likelihood is one for every T: the prior's T = 1 remains."""
    logits = torch.tensor([[9.0, -9.0], [-9.0, 9.0]]).repeat(20, 1)
    labels = np.eye(2, dtype=np.uint8)[[0, 1] * 20]
    assert fit_softmax(patches(logits, labels))[0] == pytest.approx(1.0, abs=0.01)


def test_patches_of_several_classes_speak_through_the_sigmoid() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(4000, 2, generator=generator)
    labels = torch.bernoulli(logits.sigmoid(), generator=generator)
    both = torch.cat([logits, -logits], 1)
    truth = torch.cat([labels, 1 - labels], 1).numpy().astype(np.uint8)  # always two of four
    assert fit_softmax(patches(both * 4, truth))[0] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("seed", range(10))
def test_threshold_is_within_one_standard_error_of_the_best(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 60).astype(np.uint8)
    scores = np.round(rng.normal(2 * labels - 0.5, 1.0), 1)  # with ties
    limit = math.log(presence_threshold(scores, labels) / (1 - presence_threshold(scores, labels)))
    best = max(f1(scores, labels, t) for t in np.unique(scores))
    assert f1(scores, labels, limit) >= best - math.sqrt(0.25 / labels.sum()) - 1e-9


def test_threshold_of_many_patches_is_the_best_one() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 20_000).astype(np.uint8)
    scores = rng.normal(3 * labels, 1.0)
    limit = presence_threshold(scores, labels)
    assert math.log(limit / (1 - limit)) == pytest.approx(1.5, abs=0.15)


def test_threshold_lies_inside_a_gap() -> None:
    """Scores of 4 and -1: neither end of the gap, and not beyond the middle as the prior pulls to 0."""
    scores, labels = np.repeat([4.0, -1.0], 15), np.repeat([1, 0], 15).astype(np.uint8)
    limit = math.log(presence_threshold(scores, labels) / (1 - presence_threshold(scores, labels)))
    assert 0.25 <= limit <= 1.5
    mirrored = presence_threshold(-scores, 1 - labels)
    assert mirrored == pytest.approx(1 - presence_threshold(scores, labels), abs=1e-3)


def test_one_wrong_label_does_not_hide_a_class() -> None:
    """Lymphoid patches that score 2 as tumour: the best F1 would refuse every tumour patch below 2."""
    scores = np.concatenate([np.linspace(2.2, 6, 20), [2.0, 1.6, 1.5], np.linspace(-6, -1, 42)])
    labels = np.array([1] * 20 + [0] * 45, np.uint8)
    assert expit(2.0) > 0.85
    assert presence_threshold(scores, labels, weight=0.2) < 0.7
    assert presence_threshold(scores, labels) < 0.87


def test_patches_that_were_trained_on_move_the_threshold_less() -> None:
    scores, labels = np.repeat([9.0, 5.0], 30), np.repeat([1, 0], 30).astype(np.uint8)
    seen, unseen = (logistic_crossing(scores, labels, weight=w) for w in (0.02, 1.0))
    assert 0 < seen < unseen < 7.5


def test_threshold_without_choice() -> None:
    assert presence_threshold(np.array([0.2, 0.9]), np.array([1, 1], np.uint8)) == 0.5
    assert presence_threshold(np.array([0.2, 0.9]), np.array([0, 0], np.uint8)) == 0.5


def test_calibration_of_a_patch_set() -> None:
    logits, labels = drawn(200, 2)
    data = patches(8 * logits, labels, noise=1.0)
    calibration = fit_calibration(data, offsets=True)
    thresholds = calibration.presence_thresholds
    assert macro_f1(expit(data.pooled), labels, thresholds) > 0.65
    assert macro_f1(expit(data.pooled), labels, (1.0, 1.0)) < 0.65
    assert len(calibration.class_offsets) == 2
    assert fit_calibration(data, held_out=False, offsets=True).class_offsets == ()
    assert cross_fitted_f1(data) == pytest.approx(macro_f1(expit(data.pooled), labels, thresholds), abs=0.1)


def test_joined_parts_keep_their_owners_apart() -> None:
    first = patches(torch.zeros(2, 2), np.eye(2, dtype=np.uint8)).grouped(("a", "a"))
    both = join([first, first])
    assert both.owners.tolist() == [0, 0, 1, 1]
    assert sorted(set(both.cell_owners.tolist())) == [0, 1, 2, 3]
    assert both.pooled.shape == (4, 2)
