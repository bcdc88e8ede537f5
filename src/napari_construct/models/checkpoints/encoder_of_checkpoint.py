"""The encoder that a checkpoint refers to, made from what its user has."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_construct.encoders.catalogue.loaders import stored_state
from napari_construct.encoders.catalogue.lookup import (
    create_encoder,
    find_entry,
    state_hash,
    user_entries,
)
from napari_construct.encoders.protocol import Encoder
from napari_construct.exceptions import CheckpointError
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.network.builder import SCRATCH, make_encoder
from napari_construct.types import PathLike

FOLDER: Final = "local-dir:"
"""In the id of an encoder whose files lie in a folder."""


def encoder_of_checkpoint(
    checkpoint: Checkpoint, weights: PathLike | None = None, *, any_encoder: bool = False
) -> Encoder:
    """The encoder of a checkpoint, frozen and in eval mode.

    A checkpoint names an encoder of the catalogue. One that was trained with an encoder in a folder names
    that folder, but a file must not decide which folder of this computer is read: its user names it again,
    or has it in the catalogue of the user, and its weights are compared with the checkpoint's hash before
    anything is built from them.

    Parameters
    ----------
    checkpoint : Checkpoint
        Names the encoder, and states its hash.
    weights : path, optional
        The user's file of weights; for an encoder in a folder, that folder or a file in it.
    any_encoder : bool
        Take an encoder of another hash as well.

    Raises
    ------
    CheckpointError
        If the user must name the folder, or it holds another encoder.
    EncoderError
        If the encoder is unknown, or its weights are absent, damaged or of another model.
    """
    encoder_id = checkpoint.config.encoder
    if FOLDER not in encoder_id or encoder_id.startswith(SCRATCH):
        if weights is None:
            return make_encoder(encoder_id)
        return create_encoder(encoder_id, weights=weights)
    family, _, folder = encoder_id.partition(FOLDER)
    if weights is None and not any(encoder_id == f"{entry.loader}:{entry.model}" for entry in user_entries()):
        raise CheckpointError(
            f"expected the folder of the encoder that the model was trained with ({folder[:80]}), got none "
            "from you: a checkpoint may not choose folders of this computer; name it (--encoder-weights "
            "FOLDER, in Python encoder_weights), or add it to your catalogue (docs/encoders.md)"
        )
    path = Path(folder if weights is None else weights)
    own = f"{family}{FOLDER}{path if path.is_dir() else path.parent}"
    file = None if path.is_dir() else path
    if checkpoint.encoder_state is None and not any_encoder:
        found = state_hash(stored_state(find_entry(own), file))
        if found != checkpoint.encoder_hash:
            raise other_encoder(checkpoint, own, found)
    return create_encoder(own, weights=file)


def other_encoder(checkpoint: Checkpoint, name: str, found: str) -> CheckpointError:
    """The error for an encoder that the checkpoint was not trained with."""
    return CheckpointError(
        f"expected the encoder {checkpoint.config.encoder} with hash {checkpoint.encoder_hash[:12]}..., got "
        f"{name} with hash {found[:12]}...; load the weights the model was trained with, "
        "train the model again with these, or allow any encoder (--any-encoder, in Python any_encoder)"
    )
