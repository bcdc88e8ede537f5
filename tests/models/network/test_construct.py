"""Both wirings: shapes, gradients, counts, limits."""

from __future__ import annotations

import math

import pytest
import torch

from napari_construct.encoders.networks.conch import SPEC as CONCH
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.encoders.protocol import EncoderSpec
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.construct import ConstructHead, ConstructNet, trainable_parameters

SMALL = {"encoder": "tiny", "prototype_width": 12, "projection_hidden": 16}


def config(preset: str, **changes: object) -> ModelConfig:
    fusion = {"fusion_width": 16} if preset == "construct" else {}
    return ModelConfig.of_preset(preset, **{**SMALL, **fusion, **changes})


def network(preset: str, **changes: object) -> ConstructNet:
    return build_model(config(preset, **changes), TinyEncoder(), 3)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def test_trainable_parameters_at_conchs_sizes() -> None:
    """6.3 M in the paper; the released code lacks the shared MLP."""
    with torch.device("meta"):
        start = torch.zeros(4, 1, 512)
        paper = ConstructHead(CONCH, start, ModelConfig.of_preset("published", prototype_mlp=True))
        released = ConstructHead(CONCH, start, ModelConfig.of_preset("published"))
    assert trainable_parameters(paper) == 6_347_521
    assert trainable_parameters(released) == 6_084_609


@pytest.mark.parametrize(("preset", "stride"), [("published", 32), ("construct", 8)])
@pytest.mark.parametrize("per_class", [1, 3])
def test_shapes(preset: str, stride: int, per_class: int, images: torch.Tensor) -> None:
    output = network(preset, prototypes_per_class=per_class)(images)
    assert output.cam.shape == (2, 3, 64 // stride, 96 // stride)
    assert output.class_logits.shape == (2, 3)
    assert output.similarity.shape == (2, 3 * per_class, 64 // stride, 96 // stride)
    assert [level.shape for level in output.refined] == [level.shape for level in output.student]
    assert float(output.similarity.detach().abs().max()) <= 1 + 1e-6


def test_an_untrained_adapter_is_the_identity(images: torch.Tensor) -> None:
    output = network("published")(images)
    for before, after in zip(output.student, output.refined, strict=True):
        torch.testing.assert_close(after, before)


def test_published_cam_is_the_scaled_cosine_of_the_last_level(images: torch.Tensor) -> None:
    model = network("published").eval()
    output = model(images)
    pixel, prototype = output.refined[3][0, :, 1, 2], output.projected[2]
    cosine = torch.nn.functional.cosine_similarity(pixel, prototype, dim=0)
    torch.testing.assert_close(output.cam[0, 2, 1, 2], cosine / 0.07)
    torch.testing.assert_close(output.class_logits, output.cam.mean((2, 3)))


def test_several_prototypes_take_the_classs_maximum(images: torch.Tensor) -> None:
    output = network("published", prototypes_per_class=2)(images)
    expected = output.similarity.view(2, 3, 2, 2, 3).amax(2) / 0.07
    torch.testing.assert_close(output.cam, expected)


def reached(model: ConstructNet, images: torch.Tensor) -> dict[str, bool]:
    """Parameter -> whether the CAM sends it a gradient once the adapters have left the identity."""
    torch.manual_seed(0)
    with torch.no_grad():
        for adapter in model.head.adapters:
            torch.nn.init.normal_(adapter.net[-1].weight, std=0.1)
    model(images).cam.square().sum().backward()
    return {
        name: p.grad is not None and float(p.grad.abs().max()) > 0
        for name, p in model.head.named_parameters()
    }


def test_every_parameter_of_construct_reaches_the_cam(images: torch.Tensor) -> None:
    dead = [name for name, alive in reached(network("construct").train(), images).items() if not alive]
    # a bias before a batch norm cancels; everything else counts
    assert all(name.endswith(("net.0.bias", "net.3.bias")) for name in dead), dead


def test_most_of_the_published_parameters_do_not_reach_the_cam(images: torch.Tensor) -> None:
    """Points 1 and 3 of what the released code does: adapters 0 to 2 cannot change a prediction."""
    alive = reached(network("published").train(), images)
    assert not any(
        value for name, value in alive.items() if name.startswith(("adapters.0", "adapters.1", "adapters.2"))
    )
    assert any(value for name, value in alive.items() if name.startswith("adapters.3"))
    assert not any(value for name, value in alive.items() if name.startswith("adaptive_layers.0"))


def test_the_encoder_is_frozen_and_stays_in_eval_mode(images: torch.Tensor) -> None:
    model = network("construct").train()
    assert model.head.training
    assert not model.encoder.training
    model(images).cam.sum().backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert trainable_parameters(model) == trainable_parameters(model.head)


def test_the_same_seed_gives_the_same_network() -> None:
    first, second = network("construct"), network("construct")
    torch.testing.assert_close(first.head.state_dict(), second.head.state_dict())


def test_prototypes_of_another_shape_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"expected prototypes of shape \(3, 1, 12\)"):
        build_model(config("published"), TinyEncoder(), 3, start=torch.zeros(3, 1, 13))


def test_an_encoder_must_be_a_module() -> None:
    class Function:
        spec = EncoderSpec("x", (8,), (8,), 8)

        def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (images,)

    with pytest.raises(TypeError, match=r"expected an encoder that is an nn\.Module, got Function"):
        ConstructNet(Function(), network("construct").head)  # type: ignore[arg-type]


def test_initial_scale_is_clips() -> None:
    assert float(network("published").head.logit_scale.detach()) == pytest.approx(1 / 0.07)
    assert math.isclose(1 / 0.07, 14.285714, rel_tol=1e-6)
