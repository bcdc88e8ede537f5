"""Adapters, fusion, prototypes and pooling, each on its own."""

from __future__ import annotations

import math

import pytest
import torch

from napari_construct.models.network.adapters import StructureAdapter
from napari_construct.models.network.fusion import TopDownFusion
from napari_construct.models.network.pooling import log_odds, pool_logits
from napari_construct.models.network.prototypes import PrototypeBank, TwoLayerMLP


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_adapter_starts_as_the_identity_and_learns() -> None:
    adapter, level = StructureAdapter(6), seeded(2, 6, 5, 4)
    torch.testing.assert_close(adapter(level), level)
    adapter(level).square().sum().backward()
    assert float(adapter.net[-1].weight.grad.abs().max()) > 0


def test_adapter_parameters() -> None:
    def count(channels: int, hidden: int | None) -> int:
        return sum(p.numel() for p in StructureAdapter(channels, hidden).parameters())

    assert count(768, None) == 2 * (768 * 768 + 768) + (9 * 768 + 768) + 4 * 768
    assert count(16, 4) == (64 + 4) + (36 + 4) + 16 + (64 + 16)


def test_adapter_gradcheck() -> None:
    adapter = StructureAdapter(2).double().eval()
    torch.nn.init.normal_(adapter.net[-1].weight, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(adapter, (seeded(1, 2, 3, 3).double().requires_grad_(),))


@pytest.mark.parametrize("stride", [4, 8, 16])
def test_fusion_has_the_stride_asked_for(stride: int) -> None:
    fusion = TopDownFusion((4, 6, 8, 10), (4, 8, 16, 32), width=12, stride=stride)
    levels = [seeded(2, c, 64 // s, 96 // s) for c, s in zip((4, 6, 8, 10), (4, 8, 16, 32), strict=True)]
    assert fusion(levels).shape == (2, 12, 64 // stride, 96 // stride)


def test_every_level_changes_the_fused_map() -> None:
    fusion = TopDownFusion((4, 4, 4, 4), (4, 8, 16, 16), width=8, stride=8).eval()
    levels = [seeded(1, 4, 64 // s, 64 // s).requires_grad_() for s in (4, 8, 16, 16)]
    fusion(levels).square().sum().backward()
    assert all(level.grad is not None and float(level.grad.abs().max()) > 0 for level in levels)


def test_prototypes_of_a_class_that_coincide_are_pulled_apart() -> None:
    start = seeded(3, 1, 8).expand(3, 4, 8)
    bank = PrototypeBank(start, mlp=False)
    vectors = bank().detach().view(3, 4, 8)
    distances = torch.cdist(vectors, vectors) + torch.eye(4) * 10
    assert float(distances.min()) > 0.01
    again = PrototypeBank(start, mlp=False)
    torch.testing.assert_close(again().detach(), bank().detach())


def test_single_or_distinct_prototypes_start_where_they_are_told() -> None:
    for start in (seeded(3, 1, 8), seeded(3, 2, 8)):
        torch.testing.assert_close(PrototypeBank(start, mlp=False)().detach(), start.reshape(-1, 8))


def test_shared_mlp_gives_unit_vectors() -> None:
    prototypes = PrototypeBank(seeded(3, 2, 8), mlp=True)().detach()
    assert prototypes.shape == (6, 8)
    torch.testing.assert_close(prototypes.norm(dim=-1), torch.ones(6))


def test_class_maximum_sends_the_gradient_to_the_winner() -> None:
    bank = PrototypeBank(seeded(2, 2, 4), mlp=False)
    logits = torch.tensor([1.0, 3.0, 2.0, -1.0]).view(1, 4, 1, 1).requires_grad_()
    highest = bank.class_maximum(logits)
    assert highest.flatten().tolist() == [3, 2]
    highest.sum().backward()
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == [0, 1, 1, 0]


def test_mlp_is_linear_relu_linear() -> None:
    mlp = TwoLayerMLP(2, 3, 2)
    x = seeded(5, 2)
    torch.testing.assert_close(mlp(x), mlp.fc2(mlp.fc1(x).clamp(min=0)))


def test_pooling_closed_forms() -> None:
    cam = torch.tensor([0.0, math.log(3)]).view(1, 1, 1, 2)
    assert float(pool_logits(cam, "mean")) == pytest.approx(math.log(3) / 2)
    assert float(pool_logits(cam, "log_mean_exp")) == pytest.approx(math.log(2))
    weights = (0.5 + 1e-4, 0.75 + 1e-4)
    assert float(pool_logits(cam, "attention")) == pytest.approx(weights[1] * math.log(3) / sum(weights))


@pytest.mark.parametrize("pooling", ["mean", "log_mean_exp", "attention"])
def test_pooling_of_a_constant_map_is_the_constant(pooling: str) -> None:
    torch.testing.assert_close(pool_logits(torch.full((2, 3, 4, 5), -1.5), pooling), torch.full((2, 3), -1.5))


def test_strongest_pools_the_odds_of_the_best_tenth() -> None:
    cam = torch.zeros(1, 3, 4, 5)
    cam[0, 1, 0, :2] = torch.tensor([4.0, 6.0])
    pooled = pool_logits(cam, "strongest")  # two cells of twenty
    torch.testing.assert_close(pooled[0, 1], torch.tensor(5.0 - math.log(2)))
    torch.testing.assert_close(pooled[0, 0], torch.tensor(-math.log(2)))
    share = torch.ones(1, 4, 5)
    share[0, 0, :2] = 0.2  # these belong mostly to another part
    torch.testing.assert_close(pool_logits(cam, "strongest", share)[0, 1], torch.tensor(-math.log(2)))
    assert pool_logits(cam, "strongest", torch.zeros(1, 4, 5)).abs().max() == 0


def test_log_odds_are_those_of_the_softmax() -> None:
    cam = seeded(2, 4, 3, 3)
    torch.testing.assert_close(log_odds(cam).sigmoid(), cam.softmax(1))
    torch.testing.assert_close(log_odds(cam[:, :1]), cam[:, :1])


def test_pooling_order_mean_below_attention_below_maximum() -> None:
    cam = 3 * seeded(1, 4, 8, 8)
    mean, attention = pool_logits(cam, "mean"), pool_logits(cam, "attention")
    assert bool((mean < attention).all())
    assert bool((attention < cam.amax((2, 3))).all())
    assert bool((pool_logits(cam, "log_mean_exp") < cam.amax((2, 3))).all())
