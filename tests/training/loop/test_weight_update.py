"""What the steps of both stages share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_construct.exceptions import ConstructError
from napari_construct.training.loop.weight_update import WeightUpdate, one_step

CPU = torch.device("cpu")


def test_the_gradient_is_bounded_and_the_rate_follows_the_schedule() -> None:
    weight = nn.Parameter(torch.zeros(2))
    update = WeightUpdate(torch.optim.SGD([weight], lr=1.0), [weight], 5.0, CPU)
    update.begin(0.5)
    update.finish((weight * torch.tensor([30.0, 40.0])).sum(), {"loss": 0.0}, 1)
    torch.testing.assert_close(weight.detach(), torch.tensor([-1.5, -2.0]))
    assert update.rate(0.5) == 0.5


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    weight = nn.Parameter(torch.ones(1))
    update = WeightUpdate(torch.optim.SGD([weight], lr=1.0), [weight], None, CPU)
    update.begin(1.0)
    with pytest.raises(ConstructError, match="at step 7, got a nan, b 1; lower the learning rate"):
        update.finish(weight.sum(), {"a": float("nan"), "b": 1.0}, 7)
    assert weight.item() == 1


def test_random_layers_depend_on_the_step_alone() -> None:
    def drawn(number: int) -> float:
        with one_step(CPU, 3, number, 4, ""):
            return float(torch.rand(()))

    before = torch.get_rng_state()
    assert drawn(1) == drawn(1) != drawn(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_too_little_memory_is_said_with_a_remedy() -> None:
    said = "cpu ran out of memory at a batch of 4 patches; choose a smaller one"
    with pytest.raises(ConstructError, match=said), one_step(CPU, 0, 0, 4, "a smaller one"):
        raise torch.OutOfMemoryError
