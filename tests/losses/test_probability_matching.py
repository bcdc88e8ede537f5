from __future__ import annotations

import math

import pytest
import torch

from napari_construct.losses.probability_matching import ProbabilityMatching, probability_matching


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_closed_form_of_two_pixels() -> None:
    z = torch.tensor([0.0, math.log(3)]).view(1, 1, 1, 2)  # probabilities 1/2 and 3/4
    p = torch.tensor([1.0, 0.5]).view(1, 1, 1, 2)
    assert probability_matching(z, p).item() == pytest.approx((0.25 + 0.0625) / 2)
    weight = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)
    assert probability_matching(z, p, weight).item() == pytest.approx((0.25 + 3 * 0.0625) / 4)


def test_limits() -> None:
    p = torch.rand(2, 2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert probability_matching(torch.logit(p), p).item() == pytest.approx(0, abs=1e-20)
    sure = torch.full((1, 1, 2, 2), 80.0)
    assert probability_matching(sure, torch.zeros(1, 1, 2, 2)).item() == pytest.approx(1)
    assert probability_matching(sure, torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)).item() == 0


def test_pixels_that_are_not_valid_do_not_count() -> None:
    z, p = seeded(1, 2, 4, 4), torch.rand(1, 2, 4, 4, dtype=torch.float64)
    valid = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    valid[..., :2] = True  # of both maps
    torch.testing.assert_close(
        probability_matching(z, p, valid), probability_matching(z[..., :2], p[..., :2])
    )


def test_teacher_gets_no_gradient() -> None:
    z = seeded(1, 1, 2, 2).requires_grad_()
    p = torch.rand(1, 1, 2, 2, dtype=torch.float64).requires_grad_()
    ProbabilityMatching()(z, p).backward()
    assert p.grad is None
    expected = 2 * (z.sigmoid() - p) * z.sigmoid() * (1 - z.sigmoid()) / 4  # as the docstring says
    torch.testing.assert_close(z.grad, expected.detach())


def test_gradcheck() -> None:
    p, weight = torch.rand(2, 1, 3, 3, dtype=torch.float64), torch.rand(2, 1, 3, 3, dtype=torch.float64)
    z = seeded(2, 1, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: probability_matching(x, p, weight), (z,))
