"""The objective: which terms count, and with which weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_construct.crossmodal.config import TERMS, DistilConfig
from napari_construct.crossmodal.objective.task import DistilTask
from napari_construct.crossmodal.views.draw import ViewBatch
from napari_construct.crossmodal.views.prepared import MAPS
from napari_construct.models.network.channel_unet import ChannelOutput, ChannelUNet


class Constant(ChannelUNet):
    """Says the same everywhere."""

    def __init__(self, logit: float) -> None:
        nn.Module.__init__(self)
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, images: torch.Tensor) -> ChannelOutput:
        one = self.logit.expand(len(images), 1, *images.shape[-2:])
        return ChannelOutput(one, one)


def _batch(**maps: float) -> ViewBatch:
    found = torch.zeros((2, len(MAPS), 32, 32))
    for name, value in ({"inside": 1.0} | maps).items():
        found[:, MAPS.index(name)] = value
    return ViewBatch(torch.zeros((2, 1, 32, 32)), found)


def test_probability_term_is_the_squared_difference() -> None:
    task = DistilTask(Constant(0.0), DistilConfig(terms=("probability",)))
    total, said = task(_batch(foreground=1.0))
    assert float(total.detach()) == pytest.approx(0.25)
    assert said == {"loss": pytest.approx(0.25), "probability": pytest.approx(0.25)}


def test_learned_weights_begin_as_the_plain_sum_and_are_told() -> None:
    batch = _batch(foreground=0.9, band=1.0, boundary=0.1, truth=1.0, known=1.0)
    plain = DistilTask(Constant(0.3), DistilConfig(learned_weights=False))(batch)[1]
    task = DistilTask(Constant(0.3), DistilConfig())
    total, said = task(batch)
    assert said["loss"] == pytest.approx(plain["loss"])
    assert plain["loss"] == pytest.approx(sum(plain[name] for name in TERMS))
    assert {f"s {name}" for name in TERMS} <= said.keys()
    total.backward()
    # dL/ds = 1 - exp(-s) L
    assert task.weights is not None
    wanted = [1 - said[name] for name in TERMS]
    assert task.weights.s.grad is not None
    assert task.weights.s.grad.tolist() == pytest.approx(wanted, rel=1e-4)


def test_images_without_drawn_cells_leave_the_truth_out() -> None:
    _, said = DistilTask(Constant(0.0), DistilConfig())(_batch(foreground=0.9, band=1.0))
    assert "truth" not in said
    total, said = DistilTask(Constant(0.0), DistilConfig(terms=("truth",)))(_batch())
    assert said == {"loss": 0.0}
    total.backward()  # a step without anything to learn is one


def test_terms_without_data_are_not_reported() -> None:
    batch = _batch(foreground=0.9, band=1.0)
    silent = DistilTask(Constant(0.2), DistilConfig(), ("probability", "boundary"))
    every = DistilTask(Constant(0.2), DistilConfig())
    for _ in range(2):
        (total, said), (other, more) = silent(batch), every(batch)
        assert set(more) - set(said) == {"s truth"}
        assert torch.equal(total, other)
        total.backward()
    assert silent.state_dict().keys() == every.state_dict().keys()  # states of earlier runs still fit
    assert silent.weights is not None
    assert silent.weights.s.grad is not None
    assert float(silent.weights.s.grad[TERMS.index("truth")]) == 0


def test_a_perfect_student_has_no_loss_but_that_of_its_doubt() -> None:
    confident = DistilTask(Constant(12.0), DistilConfig(terms=("truth",)))
    batch = _batch(truth=1.0, truth_boundary=1.0, known=1.0)
    assert confident(batch)[1]["truth"] == pytest.approx(0.0, abs=1e-3)
    wrong = DistilTask(Constant(-12.0), DistilConfig(terms=("truth",)))
    assert wrong(batch)[1]["truth"] > 2 * 12  # cross-entropy alone
