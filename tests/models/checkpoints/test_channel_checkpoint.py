"""Files of models for channels: round trips, precision, either kind, and files made to harm."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from napari_construct.classes import ClassTable
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.exceptions import CheckpointError
from napari_construct.inference.loading import load_model
from napari_construct.models.checkpoints.channel_checkpoint import (
    ChannelCheckpoint,
    build_from_channel_checkpoint,
    channel_checkpoint_of,
    is_channel_file,
    load_any,
    load_channel_checkpoint,
    save_any,
    save_channel_checkpoint,
)
from napari_construct.models.checkpoints.checkpoint import (
    Checkpoint,
    checkpoint_of,
    load_checkpoint,
    save_checkpoint,
)
from napari_construct.models.checkpoints.states import halved
from napari_construct.models.checkpoints.summary import summarise
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.channel_unet import ChannelUNet, ChannelUNetConfig, build_channel_unet
from napari_construct.models.network.config import ModelConfig

CONFIG = ChannelUNetConfig(encoder="mobilenet_v3", channels=("nuclear", "membrane"), decoder=(8, 8, 8, 8, 8))
DETAILS: dict[str, Any] = {
    "mpp": 0.5,
    "object_diameter": 21.5,
    "metrics": {"val_dice": 0.91, "val_ap50": 0.7, "absent": float("nan")},
    "training": {"epochs": 3, "teacher": "channel_unet"},
    "data_fingerprint": "f" * 64,
}
NAN = float("nan")


@pytest.fixture(scope="module")
def net() -> ChannelUNet:
    """A network with statistics of its own, as training leaves them."""
    made = build_channel_unet(CONFIG, seed=3).train()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(3):
            made(torch.rand(2, 2, 64, 64, generator=generator))
    return made.eval()


@pytest.fixture(scope="module")
def whole(net: ChannelUNet, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "m"
    return save_channel_checkpoint(path, channel_checkpoint_of(net, **DETAILS)).read_bytes()


@pytest.fixture
def path(whole: bytes, tmp_path: Path) -> Path:
    found = tmp_path / "student.construct"
    found.write_bytes(whole)
    return found


@pytest.fixture
def stained(tmp_path: Path) -> Path:
    model = build_model(ModelConfig(encoder="tiny", prototype_width=8, fusion_width=8), TinyEncoder(), 2)
    return save_checkpoint(tmp_path / "stained", checkpoint_of(model, ClassTable.from_names(["a", "b"])))


def manifest_of(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return dict(json.loads(archive.read("manifest.json")))


def rewrite(path: Path, manifest: dict[str, Any] | None = None, **states: dict[str, Tensor] | None) -> None:
    """The file again with another manifest or other parts; a part that is None is left out."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if manifest is not None:
        parts["manifest.json"] = json.dumps(manifest).encode()
    for name, state in states.items():
        parts.pop(f"{name}.safetensors", None)
        if state is not None:
            parts[f"{name}.safetensors"] = safetensors.torch.save(state)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def head_of(path: Path) -> dict[str, Tensor]:
    with zipfile.ZipFile(path) as archive:
        return safetensors.torch.load(archive.read("head.safetensors"))


def test_roundtrip_is_exact(net: ChannelUNet, path: Path) -> None:
    checkpoint, loaded = channel_checkpoint_of(net, **DETAILS), load_channel_checkpoint(path)
    assert loaded.config == CONFIG
    assert (loaded.mpp, loaded.object_diameter, loaded.pretrained) == (0.5, 21.5, False)
    assert loaded.metrics == {"val_dice": 0.91, "val_ap50": 0.7, "absent": None}
    assert (loaded.training, loaded.data_fingerprint) == (DETAILS["training"], "f" * 64)
    assert loaded.state.keys() == checkpoint.state.keys() == net.state_dict().keys()
    for name, value in checkpoint.state.items():
        assert loaded.state[name].dtype == value.dtype
        assert torch.equal(loaded.state[name], value)
    images, again = torch.rand(1, 2, 64, 96), build_from_channel_checkpoint(loaded)
    assert not again.training
    with torch.inference_mode():
        torch.testing.assert_close(net(images).foreground, again(images).foreground, rtol=0, atol=0)
        torch.testing.assert_close(net(images).boundary, again(images).boundary, rtol=0, atol=0)


def test_half_precision_is_read(net: ChannelUNet, path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        encoder = safetensors.torch.load(archive.read("encoder.safetensors"))
    rewrite(path, head=halved(head_of(path)), encoder=halved(encoder))
    found = build_from_channel_checkpoint(load_channel_checkpoint(path))
    assert {p.dtype for p in found.parameters()} == {torch.float32}
    images = torch.rand(1, 2, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(net(images).foreground, found(images).foreground, rtol=0, atol=2e-2)


def test_equal_contents_give_equal_bytes(net: ChannelUNet, path: Path, tmp_path: Path) -> None:
    again = save_any(tmp_path / "again", load_channel_checkpoint(path))
    assert again.read_bytes() == path.read_bytes()
    assert manifest_of(again)["format_version"] == 5


def test_each_loader_names_the_other(path: Path, stained: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"got one for channels.*\(nuclear, membrane\).*load_channel_check"
    ):
        load_checkpoint(path)
    with pytest.raises(CheckpointError, match=r"got one for channels of fluorescence"):
        load_model(path)
    with pytest.raises(CheckpointError, match=r"got one for RGB images of stained tissue.*load_checkpoint"):
        load_channel_checkpoint(stained)


def test_either_kind_is_opened(path: Path, stained: Path, tmp_path: Path) -> None:
    assert isinstance(load_any(path), ChannelCheckpoint)
    assert isinstance(load_any(stained), Checkpoint)
    assert (is_channel_file(path), is_channel_file(stained), is_channel_file(tmp_path)) == (
        True,
        False,
        False,
    )
    assert save_any(tmp_path / "b", load_any(stained)).read_bytes() == stained.read_bytes()
    with pytest.raises(CheckpointError, match="nowhere"):
        load_any(tmp_path / "nowhere.construct")


def test_stained_tissue_keeps_its_version(stained: Path) -> None:
    assert manifest_of(stained)["format_version"] == 1


def test_summary_says_what_it_is_for(path: Path) -> None:
    found = summarise(path)
    assert found.problem == ""
    assert found.channels == ("nuclear", "membrane")
    assert found.purpose.startswith("Own model: cells in 2 channels (nuclear, membrane); mobilenet_v3, ")
    assert [(s.name, s.value) for s in found.scores] == [("Dice", 0.91), ("AP50", 0.7)]
    assert not any("out of distribution" in limit for limit in found.limits)


def test_licence_of_the_start_goes_with_it(tmp_path: Path) -> None:
    config = ChannelUNetConfig(encoder="lite0", decoder=(8, 8, 8, 8, 8))
    path = save_channel_checkpoint(
        tmp_path / "lite", channel_checkpoint_of(build_channel_unet(config, pretrained=True))
    )
    loaded = load_channel_checkpoint(path)
    assert loaded.pretrained
    assert loaded.encoder_licence.startswith("Apache-2.0. Trained on ImageNet")
    assert build_from_channel_checkpoint(loaded).pretrained
    rewrite(path, manifest_of(path) | {"pretrained": False})
    assert load_channel_checkpoint(path).encoder_licence == "random weights, trained by you"


def test_nothing_is_written_of_weights_that_are_not_finite(net: ChannelUNet, tmp_path: Path) -> None:
    checkpoint = channel_checkpoint_of(net)
    checkpoint.state["head.0.bias"][0] = NAN
    with pytest.raises(
        CheckpointError, match=r"NaN or infinite values in head\.0\.bias; nothing was written"
    ):
        save_channel_checkpoint(tmp_path / "m", checkpoint)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_weights_that_are_not_finite_are_refused(path: Path, value: float) -> None:
    head = head_of(path)
    head["head.0.bias"][0] = value
    rewrite(path, head=head)
    with pytest.raises(CheckpointError, match=r"NaN or infinite values in head\.0\.bias"):
        load_any(path)


def test_newer_version_asks_for_an_update(path: Path) -> None:
    rewrite(path, manifest_of(path) | {"format_version": 7})
    for load in (load_any, load_channel_checkpoint, load_checkpoint):
        with pytest.raises(CheckpointError, match=r"version 6 or older, got 7.*pip install -U"):
            load(path)


def test_older_version_holds_no_channels(path: Path) -> None:
    rewrite(path, manifest_of(path) | {"format_version": 4})
    with pytest.raises(CheckpointError, match="no models for channels"):
        load_any(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mpp": "0.5"}, "mpp"), ({"mpp": NAN}, "no finite number"), ({"mpp": -1.0}, "mpp"),
        ({"object_diameter": 0.0}, "object_diameter"), ({"pretrained": "yes"}, "pretrained"),
        ({"metrics": [1]}, "metrics"),
        ({"training": 3}, "training"),
        ({"versions": {"torch": 2}}, "versions"),
        ({"data_fingerprint": "f" * 10_000}, "data_fingerprint"),
        ({"config": {"network": "channels", "encoder": "../../x"}}, "config.encoder"),
        ({"config": {"network": "channels", "channels": []}}, "config.channels"),
        ({"config": {"network": "channels", "channels": ["a"] * 10_000}}, "config.channels"),
        ({"config": {"network": "channels", "decoder": [10**9] * 5}}, "config.decoder"),
        ({"config": {"network": "channels", "low": 99.0, "high": 2.0}}, "low below high"),
        ({"config": {"network": "channels", "depth": 5}}, "config.depth"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_every_field_is_checked(path: Path, change: dict[str, Any], said: str) -> None:
    rewrite(path, manifest_of(path) | change)
    with pytest.raises(CheckpointError, match="damaged") as caught:
        load_any(path)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("kind", ["missing", "unknown", "shape", "huge", "counter"])
def test_other_tensors_are_refused_before_a_network_is_made(path: Path, kind: str) -> None:
    head = head_of(path)
    if kind == "missing":
        del head["head.0.weight"]
    elif kind == "unknown":
        head["extra"] = torch.zeros(1)
    elif kind == "shape":
        head["head.0.weight"] = head["head.0.weight"][:1]
    elif kind == "counter":
        head["head.0.weight"] = torch.zeros(head["head.0.weight"].shape, dtype=torch.int64)
    manifest = manifest_of(path)
    if kind == "huge":
        manifest["config"]["decoder"] = [512] * 5
    rewrite(path, manifest, head=head)
    with pytest.raises(
        CheckpointError, match="expected the weights of a network for channels on mobilenet_v3"
    ):
        build_from_channel_checkpoint(load_channel_checkpoint(path))


def test_missing_and_misplaced_parts_are_refused(path: Path, whole: bytes) -> None:
    rewrite(path, encoder=None)
    with pytest.raises(CheckpointError, match="where a model for channels has encoder and head"):
        load_any(path)
    path.write_bytes(whole)
    rewrite(path, head=head_of(path) | {"encoder.model.conv_stem.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="of the encoder in the head"):
        load_any(path)
    path.write_bytes(whole)
    rewrite(path, head=head_of(path) | {"head.0.bias": torch.zeros(2, dtype=torch.float64)})
    with pytest.raises(CheckpointError, match=r"head\.0\.bias of type F64"):
        load_any(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        load_any(path)
    assert summarise(path).problem
