"""From a checkpoint to its network."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import Tensor, nn

from napari_construct.encoders.catalogue.lookup import encoder_hash
from napari_construct.encoders.protocol import Encoder
from napari_construct.exceptions import CheckpointError
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.network.builder import build_model, make_encoder
from napari_construct.models.network.unet import PixelNetwork, build_unet


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
    student: Encoder = make_encoder(config.encoder) if encoder is None else encoder
    if checkpoint.encoder_state is not None:
        student = copy.deepcopy(student)
        _load_strictly(student, checkpoint.encoder_state, f"the encoder {config.encoder}")  # type: ignore[arg-type]
    found = encoder_hash(student)
    if found != checkpoint.encoder_hash and not any_encoder:
        raise CheckpointError(
            f"expected the encoder {config.encoder} with hash {checkpoint.encoder_hash[:12]}..., got "
            f"{student.spec.id} with hash {found[:12]}...; load the weights the model was trained with, "
            "train the model again with these, or allow it with any_encoder (--any-encoder)"
        )
    build = build_unet if config.network == "unet" else build_model
    model: PixelNetwork = build(config, student, len(checkpoint.classes))
    _load_strictly(model.head, checkpoint.head_state, "the head")
    return model.eval()


def _load_strictly(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"expected the weights of {what}, got others: {name} has shape {found.get(name, 'none')} "
            f"instead of {expected.get(name, 'none')} ({len(wrong)} such tensors); "
            "use the checkpoint with its own configuration"
        )
    module.load_state_dict(dict(state), strict=True)
