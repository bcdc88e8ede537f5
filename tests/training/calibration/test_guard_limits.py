"""Limits of few slides, and of validation images, in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_construct.models.network.guard import Guard
from napari_construct.training.calibration.guard_limits import (
    USUAL,
    USUAL_SLIDES,
    evenly,
    left_out_distances,
    limits_of,
    usual_limits,
)
from napari_construct.training.calibration.guard_validation import raised


def _guard(limits: tuple[float, float, float]) -> Guard:
    return Guard((0,), torch.arange(1), torch.zeros(1), torch.eye(1), limits, 10)


def test_few_slides_are_drawn_to_usual_limits_and_many_keep_their_own() -> None:
    own = (8.0, 6.0, 4.0)
    half = usual_limits(own, USUAL_SLIDES)
    assert half == pytest.approx([math.sqrt(a * b) for a, b in zip(own, USUAL, strict=True)])
    assert usual_limits(own, 100_000) == pytest.approx(own, rel=1e-3)
    assert usual_limits(USUAL, 3) == pytest.approx(USUAL)
    assert usual_limits(own, 3) < half  # fewer slides, nearer to the usual
    assert all(limit > 0 for limit in usual_limits((0.0, 0.0, 0.0), 3))


def test_limits_are_those_that_most_images_keep() -> None:
    distances = np.linspace(1, 2, 1001)
    one, four, sixteen = limits_of(distances, np.zeros(1001, np.intp))
    assert one == pytest.approx(1.95, abs=0.03)
    assert one > four > sixteen > 1.5


def test_validation_images_pass_and_limits_never_fall() -> None:
    scores, windows = [1.0, 1.2, 3.0], [1.0, 4.0, 100.0]
    guard = raised(_guard((2.0, 1.5, 1.0)), (0.5, 1.8, 0.5), scores, windows)
    assert all(score <= guard.limit(size) for score, size in zip(scores, windows, strict=True))
    assert guard.limit(100.0) == pytest.approx(3.0, rel=0.01)
    assert guard.limits[1] == pytest.approx(1.8 * 3, rel=0.01)
    same = raised(_guard((2.0, 1.5, 1.0)), (0.5, 0.5, 0.5), [0.9], [16.0])
    assert same.limits == (2.0, 1.5, 1.0)


def test_one_of_twenty_images_may_stay_above() -> None:
    scores = [1.0] * 19 + [50.0]
    assert raised(_guard((1.0, 1.0, 1.0)), (1.0, 1.0, 1.0), scores, [1.0] * 20).limit(1.0) < 1.01


def test_indices_are_spread_evenly() -> None:
    assert evenly(3, 10) == [0, 1, 2]
    assert evenly(101, 3) == [0, 50, 100]


def test_a_slide_left_out_is_far_by_the_median_of_its_windows_as_they_are() -> None:
    features = np.random.default_rng(0).normal(size=(2, 60, 9, 5))
    slides = np.arange(60, dtype=np.intp) // 20
    last = slides == 2
    features[:, last] += 10
    found = left_out_distances(features, slides)
    assert found.shape == (60,)
    assert found[last].min() > 5
    assert found[~last].max() < 2
    features[0, 40, :4] += 100  # less than half of the windows of a patch
    features[1, last] = 0  # other views of what is left out have no say
    assert left_out_distances(features, slides)[last] == pytest.approx(found[last], rel=0.1)
