"""The distance to training patches, in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.models.network.guard import (
    COLOURS,
    FARTHEST,
    MAX_CHANNELS,
    USED_LEVELS,
    Guard,
    chosen_channels,
    fit_familiar,
    fit_gaussian,
    ledoit_wolf,
    window_features,
)


def _guard(mean: torch.Tensor, whitening: torch.Tensor) -> Guard:
    return Guard((0,), torch.arange(len(mean)), mean, whitening, (2.0, 1.5, 1.0), 10)


def test_distance_is_that_of_mahalanobis() -> None:
    samples = np.random.default_rng(0).normal(size=(4000, 3)) @ np.array([[2, 0, 0], [1, 1, 0], [0, 0, 0.1]])
    guard = _guard(*fit_gaussian(samples))
    x = np.array([[1.0, -2.0, 0.3], [0.0, 0.0, 0.0]])
    centred = x - samples.mean(0)
    inverse = np.linalg.inv(np.cov(samples.T, bias=True))
    expected = np.sqrt(np.einsum("ni,ij,nj->n", centred, inverse, centred) / 3)
    assert guard.distances(torch.from_numpy(x)).numpy() == pytest.approx(expected, rel=0.02)
    own = guard.distances(torch.from_numpy(samples))
    assert float((own**2).mean()) == pytest.approx(1, abs=0.02)


def test_distance_of_what_is_no_number_is_far_and_finite() -> None:
    guard = _guard(torch.zeros(2), torch.eye(2))
    found = guard.distances(torch.tensor([[np.nan, 0], [np.inf, 0], [1e30, 0], [0, 2**0.5]]))
    assert found.tolist() == pytest.approx([FARTHEST] * 3 + [1.0])


def test_covariance_of_few_samples_is_shrunk_and_of_many_is_not() -> None:
    rng = np.random.default_rng(0)
    few = rng.normal(size=(5, 20))
    shrunk = ledoit_wolf(few - few.mean(0))
    assert np.linalg.cond(shrunk) < 20
    many = rng.normal(size=(50_000, 3)) * [1, 2, 3]
    many -= many.mean(0)
    assert ledoit_wolf(many) == pytest.approx(many.T @ many / len(many), rel=0.02, abs=0.02)
    assert ledoit_wolf(np.zeros((4, 3))) == pytest.approx(np.eye(3))


def test_shrinkage_of_equal_variances_is_complete() -> None:
    """Samples on the axes have a covariance that is a multiple of the identity already."""
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    assert ledoit_wolf(axes) == pytest.approx(np.eye(3) / 3)


def test_limits_fall_between_sizes() -> None:
    guard = _guard(torch.zeros(1), torch.eye(1))
    assert [guard.limit(n) for n in (0.1, 1.0, 2.0, 4.0, 16.0, 1000.0)] == pytest.approx(
        [2, 2, 1.75, 1.5, 1, 1]
    )


def test_windows_are_means_and_stay_inside() -> None:
    level = torch.arange(16.0).reshape(1, 1, 4, 4).repeat_interleave(2, 2).repeat_interleave(2, 3)
    image = torch.full((1, 3, 32, 32), 0.5)
    found = window_features((level,), (0,), image, cell=8, window=16.0)
    assert found.shape == (1, 4, 4, 1 + COLOURS)
    grid = torch.arange(16.0).reshape(4, 4)
    assert float(found[0, 1, 1, 0]) == float(grid[1:3, 1:3].mean())
    assert float(found[0, 3, 3, 0]) == float(grid[2:, 2:].mean())
    whole = window_features((level,), (0,), image, cell=8, window=1000.0)
    assert whole[..., 0].unique().tolist() == [7.5]


def test_channels_are_bounded_and_the_same_every_time() -> None:
    spec = TinyEncoder().spec
    assert chosen_channels(spec, USED_LEVELS).tolist() == list(range(spec.channels[0] + COLOURS))
    wide = replace(spec, channels=(4, 1000, 8), strides=(4, 8, 16))
    drawn = chosen_channels(wide, (1,))
    assert len(drawn.unique()) == MAX_CHANNELS + COLOURS
    assert drawn[-COLOURS:].tolist() == [1000, 1001, 1002]
    assert torch.equal(drawn, chosen_channels(wide, (1,)))


def test_colour_is_that_of_the_stain_and_not_how_much_of_it() -> None:
    """Twice the density, half the light squared: the same colour; another stain has another one."""
    stain = torch.tensor([1.2, 2.4, 0.6])[None, :, None, None].expand(1, 3, 32, 32)
    level = torch.zeros(1, 1, 4, 4)
    images = [(-stain * amount).exp() for amount in (0.5, 1.0)] + [(-stain.flip(1)).exp()]
    thin, thick, other = (
        window_features((level,), (0,), image, cell=8, window=16.0)[0, 0, 0, 1:] for image in images
    )
    assert thick.numpy() == pytest.approx(stain[0, :, 0, 0].numpy() / 1.4, rel=0.07)
    assert thin.numpy() == pytest.approx(thick.numpy(), rel=0.07)
    assert float((other - thick).abs().max()) > 0.3


def test_colour_weighs_a_quarter_of_the_features() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(20_000, 7)) * [1, 2, 3, 4, 0.1, 0.2, 0.3]
    guard = _guard(*fit_familiar(samples))
    assert float((guard.distances(torch.from_numpy(samples)) ** 2).mean()) == pytest.approx(1, abs=0.02)
    away = np.zeros((2, 7))
    away[0, :4], away[1, 4:] = [3, 6, 9, 12], [0.3, 0.6, 0.9]  # three standard deviations in every channel
    features, colour = guard.distances(torch.from_numpy(away)).tolist()
    assert features == pytest.approx((9 * 4 / 5) ** 0.5, rel=0.05)
    assert colour == pytest.approx((9 / 5) ** 0.5, rel=0.05)
