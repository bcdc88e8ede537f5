"""The network that a second stage trains, and where it starts."""

from __future__ import annotations

import copy
from typing import Any

from napari_construct.encoders.networks.efficientnet_lite import SCALES as LITE
from napari_construct.encoders.networks.lite import BUNDLED
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.network.builder import make_encoder
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.unet import UNet, build_unet
from napari_construct.training.config.second_stage import AUTO, FIRST, SecondStageConfig


def chosen_encoder(config: SecondStageConfig, first: Checkpoint) -> str:
    """``first``, or an id of the catalogue; resolves "auto"."""
    if config.encoder == AUTO:
        return FIRST if first.config.encoder in LITE else BUNDLED
    # a frozen encoder is the catalogue's own, and may be a copy that only the first stage was given
    same = config.encoder == first.config.encoder and first.encoder_state is None
    return FIRST if same else config.encoder


def make_network(first: Checkpoint, config: SecondStageConfig, loaded: Any) -> tuple[UNet, bool]:
    """The network, and whether the checkpoint must hold its encoder.

    Parameters
    ----------
    first : Checkpoint
        The first stage.
    config : SecondStageConfig
        Settings.
    loaded : nn.Module
        The first stage's network; its encoder is copied.
    """
    encoder_id = chosen_encoder(config, first)
    own = encoder_id == FIRST
    student: Any = copy.deepcopy(loaded.encoder) if own else make_encoder(encoder_id)
    wiring = ModelConfig(
        network="unet",
        encoder=student.spec.id,
        teacher=None,
        fusion_width=config.width,
        cam_stride=student.spec.strides[0],
        pooling="attention",
    )
    network = build_unet(wiring, student, len(first.classes), seed=config.seed)
    network.trains_encoder = config.encoder_learning_rate is not None and student.spec.redistributable
    student.requires_grad_(network.trains_encoder)
    return network, network.trains_encoder or (own and first.encoder_state is not None)


def encoder_notices(network: UNet, first: Checkpoint, config: SecondStageConfig) -> tuple[str, ...]:
    """What the user should know of the encoder."""
    spec, said = network.spec, []
    if config.encoder == AUTO and spec.id != first.config.encoder:
        said.append(
            f"the second stage stands on the encoder {spec.id}, which is pre-trained and small; to take that "
            f"of the first stage, {first.config.encoder}, name it (--encoder first)"
        )
    if config.encoder_learning_rate is not None and not spec.redistributable:
        said.append(
            f"the encoder {spec.id} stays frozen: its licence ({spec.licence}) does not allow its weights to "
            "be stored in a checkpoint"
        )
    return tuple(said)
