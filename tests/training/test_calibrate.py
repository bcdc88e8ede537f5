"""Temperature and thresholds against closed forms and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_construct.training.calibrate import (
    best_f1_threshold,
    fit_calibration,
    fit_temperature,
    macro_f1,
)


def f1(probabilities: np.ndarray, labels: np.ndarray, threshold: float) -> float:
    predicted = probabilities >= threshold
    return 2 * (predicted & (labels > 0)).sum() / (predicted.sum() + labels.sum())


@pytest.mark.parametrize("seed", range(20))
def test_threshold_is_as_good_as_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 40).astype(np.uint8)
    probabilities = np.round(np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1), 2)  # with ties
    threshold = best_f1_threshold(probabilities, labels)
    best = max(f1(probabilities, labels, t) for t in np.unique(probabilities))
    assert f1(probabilities, labels, threshold) == pytest.approx(best)


def test_threshold_lies_in_the_middle_of_a_gap_of_logits() -> None:
    probabilities = 1 / (1 + np.exp(-np.array([6.0, 5.0, 1.0, -2.0])))
    assert best_f1_threshold(probabilities, np.array([1, 1, 0, 0], np.uint8)) == pytest.approx(
        1 / (1 + math.exp(-3.0))
    )


def test_threshold_without_choice() -> None:
    assert best_f1_threshold(np.array([0.2, 0.9]), np.array([1, 1], np.uint8)) == 0.5
    assert best_f1_threshold(np.array([0.2, 0.9]), np.array([0, 0], np.uint8)) == 0.5


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature_of_single_class_patches_is_recovered(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 3, generator=generator)
    drawn = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    labels = torch.nn.functional.one_hot(drawn, 3).float()
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.05)


def test_multi_label_temperature_minimises_the_sigmoids_loss() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(4000, 2, generator=generator)
    labels = torch.bernoulli(logits.sigmoid(), generator=generator)
    labels = torch.cat([labels, 1 - labels], 1)  # always two of four
    both = torch.cat([logits, -logits], 1)
    assert fit_temperature(both * 4, labels) == pytest.approx(4, rel=0.1)


def test_perfect_patches_have_a_closed_form() -> None:
    """Margin 18 in 40 patches of 2 classes: sigmoid(18 / T) = 41 / 42."""
    logits = torch.tensor([[9.0, -9.0], [-9.0, 9.0]]).repeat(20, 1)
    labels = torch.eye(2).repeat(20, 1)
    assert fit_temperature(logits, labels) == pytest.approx(18 / math.log(41), rel=1e-3)


def test_perfect_multi_label_patches_have_a_closed_form() -> None:
    """Logits of 5 and -5 with ten of each: sigmoid(5 / T) = 11 / 12."""
    labels = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).repeat(10, 1)
    assert fit_temperature(10 * labels - 5, labels) == pytest.approx(5 / math.log(11), rel=1e-3)


def test_calibration_of_a_patch_set() -> None:
    logits = torch.tensor([[2.0, -4.0], [1.0, 0.0], [-3.0, -1.0]])
    labels = np.array([[1, 0], [1, 1], [0, 1]], np.uint8)
    calibration = fit_calibration(logits, labels)
    probabilities = logits.double().sigmoid().numpy()
    assert macro_f1(probabilities, labels, calibration.presence_thresholds) == 1.0
    assert macro_f1(probabilities, labels, (1.0, 1.0)) == 0.0
