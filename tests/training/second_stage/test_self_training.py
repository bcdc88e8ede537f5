"""Images without labels: what the slow teacher is sure of is learned, nothing before it knows something."""

from __future__ import annotations

import copy

import torch

from napari_construct.encoders.catalogue.lookup import create_encoder
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.unet import UNet, build_unet
from napari_construct.training.config.parts import AugmentationConfig
from napari_construct.training.config.second_stage import SecondStageConfig
from napari_construct.training.second_stage.self_training import WARM_UP, SelfTraining

CONFIG = SecondStageConfig(steps=90, batch_size=2, augmentation=AugmentationConfig.none())
IMAGES = torch.randint(0, 255, (3, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def network() -> UNet:
    config = ModelConfig(network="unet", encoder="mini", teacher=None, fusion_width=8)
    made = build_unet(config, create_encoder("mini"), 2)
    made.trains_encoder = True
    made.requires_grad_(True)
    return made.train()


def trained(net: UNet) -> SelfTraining:
    made = SelfTraining(net, IMAGES, CONFIG, window=64.0, size=64)
    made.follow(WARM_UP)
    return made


def certain(net: UNet, sure: float) -> None:
    """Every cell is of the first class, with this difference of logits."""
    with torch.no_grad():
        net.head.score.weight.zero_()
        assert net.head.score.bias is not None
        net.head.score.bias.copy_(torch.tensor([sure, 0.0]))


def test_nothing_is_asked_before_the_teacher_knows_something() -> None:
    net = network()
    made = SelfTraining(net, IMAGES, CONFIG, window=64.0, size=64)
    made.follow(WARM_UP - 1)
    assert made.loss(60) is None
    made.follow(WARM_UP)
    assert made.loss(29) is None
    assert made.loss(30) is not None


def test_what_the_teacher_doubts_teaches_nothing() -> None:
    net = network()
    certain(net, 0.5)
    loss = trained(net).loss(50)
    assert loss is not None
    loss.backward()
    assert float(loss.detach()) == 0
    assert net.head.score.bias is not None
    assert not net.head.score.bias.grad.any()  # type: ignore[union-attr]


def test_what_it_is_sure_of_is_learned() -> None:
    net = network()
    certain(net, 4.0)
    made = trained(net)
    certain(net, 0.0)
    loss = made.loss(50)
    assert loss is not None
    loss.backward()
    grad = net.head.score.bias.grad  # type: ignore[union-attr]
    assert grad is not None
    assert grad[0] < 0 < grad[1]


def test_the_teacher_follows_slowly_and_changes_nothing_else() -> None:
    net = network()
    certain(net, 4.0)
    made = trained(net)
    before = copy.deepcopy(net.state_dict())
    certain(net, -4.0)
    made.follow(WARM_UP + 1)
    loss = made.loss(50)
    assert loss is not None
    assert float(loss.detach()) > 1  # the teacher still says the first class
    for _ in range(200):
        made.follow(WARM_UP + 1)
    late = made.loss(50)
    assert late is not None
    assert float(late.detach()) < 0.1
    assert set(before) == set(net.state_dict())


def test_the_same_step_gives_the_same_loss() -> None:
    first, second = trained(network()).loss(40), trained(network()).loss(40)
    assert first is not None
    assert second is not None
    assert float(first.detach()) == float(second.detach())
