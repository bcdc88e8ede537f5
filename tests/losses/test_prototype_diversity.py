from __future__ import annotations

import math

import pytest
import torch

from napari_construct.losses.prototype_diversity import PrototypeDiversity, prototype_diversity


def at(*degrees: float) -> torch.Tensor:
    """Vectors of different lengths at these angles."""
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], -1) * torch.arange(1, len(degrees) + 1)[:, None]


def test_closed_form() -> None:
    assert float(prototype_diversity(at(0, 60)[None])) == pytest.approx(0.25)
    # pairs 60, 60 and 120 degrees apart: the last is far enough
    assert float(prototype_diversity(at(0, 60, 120)[None])) == pytest.approx(2 / 3 * 0.25)


def test_limits() -> None:
    assert float(prototype_diversity(at(10, 10)[None])) == pytest.approx(1)
    assert float(prototype_diversity(at(0, 90)[None])) == pytest.approx(0, abs=1e-12)
    assert float(prototype_diversity(at(0, 180)[None])) == 0
    assert float(prototype_diversity(at(0)[None])) == 0, "a single prototype has nobody to differ from"


def test_classes_do_not_see_each_other() -> None:
    two = torch.stack([at(0, 90), at(0, 90)])
    assert float(prototype_diversity(two)) == pytest.approx(0, abs=1e-12)
    one_alike = torch.stack([at(0, 90), at(0, 45)])
    assert float(PrototypeDiversity()(one_alike)) == pytest.approx(math.cos(math.pi / 4) ** 2 / 2)


def test_it_pulls_copies_apart() -> None:
    close = torch.nn.Parameter(at(0, 5)[None])
    optimiser = torch.optim.SGD([close], 0.5)
    for _ in range(200):
        optimiser.zero_grad()
        prototype_diversity(close).backward()
        optimiser.step()
    assert float(prototype_diversity(close.detach())) < 0.05


def test_gradcheck() -> None:
    vectors = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(prototype_diversity, (vectors.requires_grad_(),))
