"""The network of the second stage and its checkpoint."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_construct.classes import ClassTable
from napari_construct.encoders.networks.scratch import ScratchEncoder
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.exceptions import CheckpointError, ConfigurationError
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import (
    checkpoint_of,
    load_checkpoint,
    save_checkpoint,
)
from napari_construct.models.checkpoints.states import halved
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.unet import UNet, build_unet

CLASSES = ClassTable.from_names(("a", "b", "c"))
CONFIG = ModelConfig(network="unet", encoder="tiny", teacher=None, fusion_width=8, pooling="attention")


def unet(**changes: object) -> UNet:
    return build_unet(CONFIG.model_copy(update=changes), TinyEncoder(), 3)


def manifest(path: Path) -> dict[str, object]:
    with zipfile.ZipFile(path) as archive:
        return dict(json.loads(archive.read("manifest.json")))


def test_scores_at_the_finest_stride_balance_between_classes() -> None:
    output = unet().eval()(torch.rand(2, 3, 64, 96))
    assert output.cam.shape == (2, 3, 16, 24)
    assert output.class_logits.shape == (2, 3)
    torch.testing.assert_close(output.cam.mean(1), torch.zeros(2, 16, 24), atol=1e-6, rtol=0)


def test_gradient_reaches_the_encoder_only_where_it_is_trained() -> None:
    model = unet().train()
    model(torch.rand(2, 3, 64, 64)).cam.square().sum().backward()
    assert all(p.grad is not None for p in model.head.parameters())
    assert all(p.grad is None for p in model.encoder.parameters())
    assert not model.encoder.training
    model.trains_encoder = True
    model.encoder.requires_grad_(True)
    model.train()(torch.rand(2, 3, 64, 64)).cam.square().sum().backward()
    assert all(p.grad is not None for p in model.encoder.parameters())


def test_roundtrip_is_of_version_2(tmp_path: Path) -> None:
    model, images = unet().eval(), torch.rand(1, 3, 64, 64)
    path = save_checkpoint(tmp_path / "two", checkpoint_of(model, CLASSES))
    assert manifest(path)["format_version"] == 2
    loaded = load_checkpoint(path)
    assert loaded.config == CONFIG
    torch.testing.assert_close(build_from_checkpoint(loaded)(images).cam, model(images).cam, rtol=0, atol=0)


def test_first_stage_stays_readable_for_older_releases(tmp_path: Path) -> None:
    config = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)
    path = save_checkpoint(tmp_path / "one", checkpoint_of(build_model(config, TinyEncoder(), 3), CLASSES))
    assert manifest(path)["format_version"] == 1
    assert "network" not in manifest(path)["config"]  # type: ignore[operator]
    assert load_checkpoint(path).config.network == "construct"


def test_encoder_from_scratch_comes_with_the_checkpoint(tmp_path: Path) -> None:
    encoder, images = ScratchEncoder("mobilenet_v2", seed=5), torch.rand(1, 3, 64, 64)
    config = CONFIG.model_copy(update={"encoder": encoder.spec.id})
    encoder.load_state_dict(halved(encoder.state_dict()))  # as it is stored
    model = build_unet(config, encoder, 3).eval()
    path = save_checkpoint(tmp_path / "scratch", checkpoint_of(model, CLASSES, with_encoder=True))
    found = build_from_checkpoint(load_checkpoint(path))
    torch.testing.assert_close(found(images).cam, model(images).cam, rtol=0, atol=0)


def test_other_shapes_are_refused(tmp_path: Path) -> None:
    checkpoint = checkpoint_of(unet(), CLASSES)
    path = save_checkpoint(
        tmp_path / "wrong", replace(checkpoint, config=CONFIG.model_copy(update={"fusion_width": 16}))
    )
    with pytest.raises(CheckpointError, match="scores of shape"):
        load_checkpoint(path)
    fewer = {name: value for name, value in checkpoint.head_state.items() if name != "merge.0.0.weight"}
    with pytest.raises(CheckpointError, match=r"merge\.0\.0\.weight has shape none"):
        build_from_checkpoint(replace(checkpoint, head_state=fewer))


def test_a_first_stage_configuration_makes_no_unet() -> None:
    with pytest.raises(ConfigurationError, match="expected the network unet, got construct"):
        build_unet(ModelConfig(encoder="tiny"), TinyEncoder(), 3)
