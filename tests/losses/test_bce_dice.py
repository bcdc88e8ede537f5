from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from napari_construct.losses.bce_dice import bce_dice, soft_dice, weighted_mean


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_weighted_mean_is_the_mean_of_what_counts() -> None:
    values = torch.tensor([1.0, 2.0, 9.0, 4.0]).view(1, 1, 2, 2)
    assert weighted_mean(values).item() == pytest.approx(4)
    weight = torch.tensor([1.0, 1.0, 0.0, 2.0]).view(1, 1, 2, 2)
    assert weighted_mean(values, weight).item() == pytest.approx((1 + 2 + 8) / 4)
    assert weighted_mean(values, 0 * weight).item() == 0


def test_dice_closed_form_of_two_halves() -> None:
    p = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 2, 2)
    t = torch.tensor([0.0, 1.0, 1.0, 0.0]).view(1, 1, 2, 2)
    assert soft_dice(p, t, smooth=0.0).item() == pytest.approx(0.5)
    assert soft_dice(p, t).item() == pytest.approx(1 - 3 / 5)
    assert soft_dice(p, t, torch.tensor([0.0, 1.0, 1.0, 1.0]).view(1, 1, 2, 2), 0.0).item() == pytest.approx(
        1 / 3
    )


def test_dice_is_least_at_a_soft_target() -> None:
    """With plain sums instead of squares, the least would be at 0 or 1."""
    t = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = t.clone().requires_grad_()
    loss = soft_dice(p, t)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert p.grad is not None
    assert p.grad.abs().max().item() == pytest.approx(0, abs=1e-12)


def test_bce_dice_of_logits_of_zero() -> None:
    target = torch.zeros(1, 1, 4, 4)
    target[..., :2] = 1
    dice = 1 - (2 * 8 * 0.5 + 1) / (16 * 0.25 + 8 + 1)
    assert bce_dice(torch.zeros(1, 1, 4, 4), target).item() == pytest.approx(math.log(2) + dice)


def test_nothing_there_and_nothing_predicted_costs_nothing() -> None:
    sure = torch.full((1, 1, 4, 4), -40.0)
    assert bce_dice(sure, torch.zeros(1, 1, 4, 4)).item() == pytest.approx(0, abs=1e-6)
    assert bce_dice(-sure, torch.zeros(1, 1, 4, 4)).item() == pytest.approx(40 + 1 - 1 / 17)


def test_weights_of_zero_and_one_are_a_crop() -> None:
    z, t = seeded(2, 1, 4, 6), (seeded(2, 1, 4, 6, seed=1) > 0).double()
    weight = torch.zeros(2, 1, 4, 6)
    weight[..., :3] = 1
    torch.testing.assert_close(bce_dice(z, t, weight), bce_dice(z[..., :3], t[..., :3]))
    torch.testing.assert_close(bce_dice(z, t, torch.ones(2, 1, 1, 1)), bce_dice(z, t))


def test_no_weight_anywhere_is_zero_with_a_gradient_of_zero() -> None:
    z = seeded(1, 1, 3, 3).requires_grad_()
    loss = bce_dice(z, torch.ones(1, 1, 3, 3), torch.zeros(1, 1, 3, 3))
    loss.backward()
    assert loss.item() == 0
    assert z.grad is not None
    assert z.grad.abs().max().item() == 0


def test_cross_entropy_part_is_that_of_torch() -> None:
    z, t = seeded(2, 1, 3, 3), torch.rand(2, 1, 3, 3, dtype=torch.float64)
    expected = F.binary_cross_entropy_with_logits(z, t) + soft_dice(z.sigmoid(), t)
    torch.testing.assert_close(bce_dice(z, t), expected)


def test_gradcheck() -> None:
    z, t = seeded(2, 2, 3, 3).requires_grad_(), torch.rand(2, 2, 3, 3, dtype=torch.float64)
    weight = torch.rand(2, 1, 3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: bce_dice(x, t, weight), (z,))
