"""From a checkpoint to its network."""

from __future__ import annotations

import copy

import torch

from napari_construct.encoders.catalogue.lookup import encoder_hash
from napari_construct.encoders.protocol import Encoder, EncoderSpec
from napari_construct.exceptions import CheckpointError
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.checkpoints.encoder_of_checkpoint import encoder_of_checkpoint, other_encoder
from napari_construct.models.checkpoints.states import check_shapes, load_strictly, shapes
from napari_construct.models.network.builder import build_network, taught_head
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.construct import ConstructHead
from napari_construct.models.network.guard import COLOURS
from napari_construct.models.network.taught_config import TaughtConfig
from napari_construct.models.network.unet import PixelNetwork, UNetDecoder


def build_from_checkpoint(
    checkpoint: Checkpoint, encoder: Encoder | None = None, *, any_encoder: bool = False
) -> PixelNetwork:
    """The network of a checkpoint, in eval mode on the CPU.

    Parameters
    ----------
    checkpoint : Checkpoint
        From :func:`load_checkpoint` or a training run.
    encoder : Encoder, optional
        The encoder it was trained with, for example with the user's own gated weights; made by the
        catalogue otherwise. Where the checkpoint holds trained encoder weights, a copy receives them.
    any_encoder : bool
        Take an encoder of another hash as well; results are then those of another model.

    Raises
    ------
    CheckpointError
        If the encoder is not the one the head was trained with, or a tensor is missing, unknown or of
        another shape.
    """
    config = checkpoint.config
    student = encoder_of_checkpoint(checkpoint, any_encoder=any_encoder) if encoder is None else encoder
    if checkpoint.encoder_state is not None:
        student = copy.deepcopy(student)
        load_strictly(student, checkpoint.encoder_state, f"the encoder {config.encoder}")  # type: ignore[arg-type]
    found = encoder_hash(student)
    if found != checkpoint.encoder_hash and not any_encoder:
        raise other_encoder(checkpoint, student.spec.id, found)
    _check_guard(checkpoint, student.spec)
    if config.taught is not None and config.taught.stride != student.spec.strides[0]:
        raise CheckpointError(
            f"expected the stride {student.spec.strides[0]} of {student.spec.id}, got "
            f"{config.taught.stride}; use the checkpoint as it was written"
        )
    k = len(checkpoint.classes)
    check_shapes(_head_shapes(config, student.spec, k), checkpoint.head_state, "the head")
    model = build_network(config, student, k)
    load_strictly(model.head, checkpoint.head_state, "the head")
    return model.eval()


def _check_guard(checkpoint: Checkpoint, spec: EncoderSpec) -> None:
    """Refuse a guard of levels or channels that the encoder does not have."""
    guard = checkpoint.guard
    if guard is None:
        return
    known = max(guard.levels) < len(spec.channels)
    count = sum(spec.channels[level] for level in guard.levels) + COLOURS if known else 0
    if not count or not 0 <= int(guard.channels.min()) <= int(guard.channels.max()) < count:
        raise CheckpointError(
            f"expected a guard for the levels and channels of {spec.id}, got one for another encoder; use "
            "the checkpoint as it was written"
        )


def _head_shapes(config: ModelConfig, spec: EncoderSpec, k: int) -> dict[str, tuple[int, ...]]:
    """Shapes of a head's tensors, before any of them takes memory."""
    with torch.device("meta"):
        if config.taught is not None:
            return _taught_shapes(config, spec, k)
        if config.network == "unet":
            return shapes(UNetDecoder(spec, k, config).state_dict())
        # several prototypes of a class are compared when they are made, which needs their values
        single = config.model_copy(update={"prototypes_per_class": 1})
        head = ConstructHead(spec, torch.empty(k, 1, config.prototype_width), single)
    vectors = (k * config.prototypes_per_class, config.prototype_width)
    return {**shapes(head.state_dict()), "prototypes.vectors": vectors}


def _taught_shapes(config: ModelConfig, spec: EncoderSpec, k: int) -> dict[str, tuple[int, ...]]:
    """Those of a taught head, and of the base among them."""
    taught = config.taught or TaughtConfig()
    own = config.model_copy(update={"taught": TaughtConfig()}) if taught.words is None else config
    found = shapes(taught_head(own, spec, k).state_dict())
    found["base_offsets"] = (taught.known,)
    if taught.known and taught.words is None:
        base = _head_shapes(config.base, spec, taught.known)
        found |= {f"base.{name}": shape for name, shape in base.items()}
    return found
