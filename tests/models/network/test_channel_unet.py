"""The network for channels: shapes, seeds, gradients, pre-trained starts, numbers of weights."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import timm
import torch
from safetensors.torch import save_file

from napari_construct.encoders.networks.lite import bundled_weights
from napari_construct.encoders.networks.lite_weights import read_lite
from napari_construct.exceptions import ConfigurationError, EncoderError, InputError
from napari_construct.models.network import channel_weights
from napari_construct.models.network.channel_encoders import ENCODERS, EncoderName
from napari_construct.models.network.channel_unet import (
    ChannelUNet,
    ChannelUNetConfig,
    build_channel_unet,
    channel_shapes,
    counts_in_words,
    parameter_counts,
)
from napari_construct.models.network.channel_weights import RGB_STD, adapted

NAMES: tuple[EncoderName, ...] = get_args(EncoderName)
SMALL = (8, 8, 8, 8, 8)


def small(encoder: str = "mobilenet_v3", *channels: str) -> ChannelUNetConfig:
    return ChannelUNetConfig.checked(encoder=encoder, channels=channels or ("nuclear",), decoder=SMALL)


def logits(net: ChannelUNet, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        output = net.eval()(images)
    return torch.cat([output.foreground, output.boundary], 1)


@pytest.mark.parametrize("encoder", NAMES)
def test_maps_at_the_resolution_of_any_multiple(encoder: str) -> None:
    net = build_channel_unet(small(encoder, "nuclear", "membrane")).eval()
    for h, w in ((32, 96), (160, 64), (224, 288)):
        with torch.inference_mode():
            output = net(torch.rand(1, 2, h, w))
        assert output.foreground.shape == output.boundary.shape == (1, 1, h, w)
        assert bool(torch.isfinite(output.foreground).all())
        assert not torch.equal(output.foreground, output.boundary)


def test_unfit_images_are_refused() -> None:
    net = build_channel_unet(small())
    assert net.multiple == 32
    with pytest.raises(InputError, match=r"multiples of 32, got 64 x 72; pad"):
        net(torch.rand(1, 1, 64, 72))
    with pytest.raises(InputError, match=r"expected 1 channels \(nuclear\), got 2"):
        net(torch.rand(1, 2, 64, 64))


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v3"])
def test_weights_follow_from_the_seed_alone(encoder: str) -> None:
    torch.manual_seed(5)
    one = build_channel_unet(small(encoder), seed=1).state_dict()
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), drawn), "the generator goes on as if nothing had been drawn"
    again, other = (build_channel_unet(small(encoder), seed=s).state_dict() for s in (1, 2))
    assert all(torch.equal(value, again[name]) for name, value in one.items())
    assert any(not torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("encoder", NAMES)
def test_gradient_reaches_every_parameter(encoder: str) -> None:
    net = build_channel_unet(small(encoder)).train()
    with torch.no_grad():  # residual branches of ResNet start at zero and pass no gradient at first
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    images = torch.rand(2, 1, 96, 96, generator=torch.Generator().manual_seed(1))
    output = net(images)
    (output.foreground.square().mean() + output.boundary.square().mean()).backward()
    without = [n for n, p in net.named_parameters() if p.grad is None or not bool((p.grad != 0).any())]
    assert not without
    assert all(p.requires_grad for p in net.parameters())


def test_a_step_of_training_needs_no_generator() -> None:
    net = build_channel_unet(small("swin_tiny")).train()
    images = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(net(images).foreground, net(images).foreground, rtol=0, atol=0)


def test_boundary_and_foreground_have_weights_of_their_own() -> None:
    net = build_channel_unet(small())
    images = torch.rand(1, 1, 64, 64)
    before = logits(net, images)
    with torch.no_grad():
        net.head[0].bias[1] += 2  # type: ignore[index, union-attr]
    after = logits(net, images)
    torch.testing.assert_close(after[:, 0], before[:, 0], rtol=0, atol=0)
    torch.testing.assert_close(after[:, 1], before[:, 1] + 2)


@pytest.mark.parametrize("encoder", NAMES)
def test_shapes_are_known_without_memory(encoder: str) -> None:
    config = small(encoder, "a", "b", "c")
    built = {name: tuple(v.shape) for name, v in build_channel_unet(config).state_dict().items()}
    assert channel_shapes(config) == built


def test_counts_are_those_of_the_modules() -> None:
    net = build_channel_unet(ChannelUNetConfig(encoder="resnet18"))
    found = parameter_counts(net)
    assert found.encoder + found.decoder == found.total == sum(p.numel() for p in net.parameters())
    # ResNet18 for RGB without classifier, less two of the three input channels of its 7 x 7 convolution
    assert found.encoder == 11_176_512 - 2 * 64 * 49
    assert "encoder 11.17 M" in counts_in_words(net)
    assert "the paper's 11 M are the encoder without the classifier (11.18 M for RGB)" in counts_in_words(net)


@pytest.mark.parametrize("encoder", [name for name, kind in ENCODERS.items() if kind.paper])
def test_numbers_of_the_paper_are_counted_as_stated(encoder: EncoderName) -> None:
    kind = ENCODERS[encoder]
    assert kind.paper is not None
    whole = {"num_classes": 0} if encoder != "efficientnet_b0" else {}
    with torch.device("meta"):
        found = sum(p.numel() for p in timm.create_model(kind.library, **whole).parameters())
    assert found == kind.paper.parameters
    assert abs(found / 1e6 - kind.paper.millions) < 0.6


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"encoder": "vgg"}, "encoder"),
        ({"channels": ()}, "channels"),
        ({"channels": ("a", "A")}, "each channel once"),
        ({"channels": ("a\n",)}, "plain text"),
        ({"channels": tuple(map(str, range(65)))}, "channels"),
        ({"decoder": (8, 8, 8, 8, 100_000)}, "decoder"),
        ({"low": 50.0, "high": 50.0}, "low below high"),
        ({"high": float("nan")}, "high"),
    ],
)
def test_impossible_settings_are_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ChannelUNetConfig.checked(**fields)


def test_adapted_convolution_sees_grey_as_before() -> None:
    weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    grey = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    scaled = grey / torch.tensor(RGB_STD).view(1, 3, 1, 1)
    wanted = torch.nn.functional.conv2d(scaled, weight)
    for c in (1, 2, 5):
        found = torch.nn.functional.conv2d(grey.expand(1, c, 8, 8), adapted(weight, c))
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_lite0_starts_from_the_bundled_weights() -> None:
    net = build_channel_unet(small("lite0", "a", "b"), pretrained=True)
    plain = build_channel_unet(small("lite0", "a", "b"))
    bundled = read_lite(bundled_weights("lite0"), "lite0")
    assert (net.pretrained, plain.pretrained) == (True, False)
    own = net.encoder.state_dict()
    assert own.keys() == {f"model.{name}" for name in bundled}
    for name, value in bundled.items():
        if name != "conv_stem.weight":
            assert torch.equal(own[f"model.{name}"], value)
    assert torch.equal(own["model.conv_stem.weight"], adapted(bundled["conv_stem.weight"], 2))
    for name, value in plain.decoder.state_dict().items():
        assert torch.equal(net.decoder.state_dict()[name], value), "the decoder follows from the seed"


@pytest.mark.parametrize("encoder", ["swin_tiny", "resnet18", "efficientnet_b0", "mobilenet_v3"])
def test_absent_weights_name_the_next_step(
    encoder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(channel_weights, "located", lambda entry: None)
    with pytest.raises(
        EncoderError, match=r"napari-construct models download timm:\w+.*or start from random"
    ):
        build_channel_unet(small(encoder), pretrained=True)


@pytest.mark.parametrize("encoder", ["swin_tiny", "resnet18", "efficientnet_b0", "mobilenet_v3"])
def test_weights_of_this_computer_are_taken(
    encoder: EncoderName, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch.manual_seed(7)
    whole = timm.create_model(ENCODERS[encoder].library)
    path = tmp_path / "model.safetensors"
    save_file(whole.state_dict(), path)
    here = type("Here", (), {"weights": path})
    monkeypatch.setattr(channel_weights, "located", lambda entry: here)
    net = build_channel_unet(small(encoder), pretrained=True)
    theirs, own = list(whole.parameters()), list(net.encoder.parameters())
    torch.testing.assert_close(own[0], adapted(theirs[0], 1), rtol=0, atol=0)
    assert all(torch.equal(a, b) for a, b in zip(own[1:], theirs[1:], strict=False))
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(EncoderError, match=f"expected the weights of {encoder}, got others"):
        build_channel_unet(small(encoder), pretrained=True)
