from __future__ import annotations

import math

import pytest
import torch

from napari_construct.losses.uncertainty_weights import UncertaintyWeights, uncertainty_weighted


def test_closed_form() -> None:
    losses, s = torch.tensor([2.0, 6.0]), torch.tensor([0.0, math.log(3)])
    assert uncertainty_weighted(losses, s).item() == pytest.approx(2 + 0 + 2 + math.log(3))


def test_least_where_s_is_the_logarithm_of_the_loss() -> None:
    losses = torch.tensor([0.05, 1.0, 7.0], dtype=torch.float64)
    s = losses.log().requires_grad_()
    total = uncertainty_weighted(losses, s)
    total.backward()
    assert total.item() == pytest.approx(3 + losses.log().sum().item())
    torch.testing.assert_close(s.grad, torch.zeros(3, dtype=torch.float64))
    for step in (-0.3, 0.3):
        assert uncertainty_weighted(losses, s.detach() + step) > total


def test_gradient_by_s_is_that_of_the_formula() -> None:
    losses = torch.tensor([0.5, 3.0], dtype=torch.float64)
    s = torch.tensor([0.7, -1.2], dtype=torch.float64).requires_grad_()
    uncertainty_weighted(losses, s).backward()
    torch.testing.assert_close(s.grad, (1 - torch.exp(-s) * losses).detach())


def test_gradcheck() -> None:
    values = torch.tensor([0.5, 3.0, 1.0], dtype=torch.float64).requires_grad_()
    s = torch.tensor([0.7, -1.2, 0.0], dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(uncertainty_weighted, (values, s))


def test_new_weights_are_the_plain_sum() -> None:
    found = UncertaintyWeights(("a", "b"))({"b": torch.tensor(2.0), "a": torch.tensor(0.5)})
    assert found.total.item() == pytest.approx(2.5)
    assert {name: value.item() for name, value in found.losses.items()} == {"b": 2.0, "a": 0.5}


def test_parts_for_the_log_have_no_gradient() -> None:
    weights = UncertaintyWeights(("a", "b"))
    with torch.no_grad():
        weights.s.copy_(torch.tensor([math.log(2), 0.0]))
    loss = torch.tensor(3.0, requires_grad=True)
    found = weights({"a": loss})
    assert found.weighted["a"].item() == pytest.approx(1.5)
    assert found.s["a"].item() == pytest.approx(math.log(2))
    assert not any(v.requires_grad for d in (found.losses, found.weighted, found.s) for v in d.values())
    found.total.backward()
    assert loss.grad is not None
    assert loss.grad.item() == pytest.approx(0.5)
    assert weights.s.grad is not None
    assert weights.s.grad.tolist() == pytest.approx([1 - 1.5, 0])  # b was not there
    assert weights.values() == pytest.approx({"a": math.log(2), "b": 0})


def test_learning_finds_the_logarithms_within_the_limits() -> None:
    weights = UncertaintyWeights(("small", "large", "none"), limits=(-2.0, 3.0))
    optimiser = torch.optim.SGD(weights.parameters(), 0.2)
    values = {"small": torch.tensor(0.3), "large": torch.tensor(8.0), "none": torch.tensor(0.0)}
    for _ in range(300):
        optimiser.zero_grad()
        weights(values).total.backward()
        optimiser.step()
    weights(values)
    assert weights.values() == pytest.approx(
        {"small": math.log(0.3), "large": math.log(8), "none": -2}, abs=1e-3
    )


def test_the_limit_is_no_trap() -> None:
    weights = UncertaintyWeights(("a",))
    with torch.no_grad():
        weights.s.fill_(50.0)
    weights({"a": torch.tensor(1.0)}).total.backward()
    assert weights.s.item() == 4
    assert weights.s.grad is not None
    assert weights.s.grad.item() == pytest.approx(1 - math.exp(-4))  # leads back to 0


def test_wrong_names_are_named() -> None:
    with pytest.raises(ValueError, match="names that differ"):
        UncertaintyWeights(("a", "a"))
    with pytest.raises(ValueError, match="out of a, b, got c; name them"):
        UncertaintyWeights(("a", "b"))({"c": torch.tensor(1.0)})
    with pytest.raises(ValueError, match="got none"):
        UncertaintyWeights(("a", "b"))({})
