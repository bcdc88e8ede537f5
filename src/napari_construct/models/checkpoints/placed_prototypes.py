"""Prototypes that a person places after training: a changed checkpoint, nothing trained is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.exceptions import ConfigurationError
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.types import ShortRepr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Placed(ShortRepr):
    """One prototype that is to be placed.

    Attributes
    ----------
    owner : int
        Index of its class.
    vector : Tensor
        (c,) direction in the space that the CAM is read from.
    offset : float
        Cosine from which it counts as much as what is on the other side of zero logit.
    origin : mapping
        Where it came from, for the record; what JSON can hold.
    """

    owner: int
    vector: Float[Tensor, " c"]
    offset: float
    origin: Mapping[str, Any]


def with_placed(checkpoint: Checkpoint, additions: Sequence[Placed]) -> Checkpoint:
    """The checkpoint with more prototypes; calibration and other weights stay unchanged.

    Raises
    ------
    ConfigurationError
        If the model is of the second stage, which has no prototypes, or a class does not exist.
    """
    config = checkpoint.config
    check_has_prototypes(checkpoint)
    wrong = [p.owner for p in additions if not 0 <= p.owner < len(checkpoint.classes)]
    if wrong:
        raise ConfigurationError(
            f"expected a class from 0 to {len(checkpoint.classes) - 1}, got {wrong[0]}; choose another"
        )
    vectors = [p.vector[None].float().cpu() for p in additions]
    offsets = torch.tensor([p.offset for p in additions])
    if config.placed:
        vectors.insert(0, checkpoint.head_state["placed.vectors"])
        offsets = torch.cat([checkpoint.head_state["placed.offsets"], offsets])
    state = {
        **checkpoint.head_state,
        "placed.vectors": torch.cat(vectors),
        "placed.offsets": offsets,
    }
    origins = [*checkpoint.training.get("placed", ()), *(dict(p.origin) for p in additions)]
    return replace(
        checkpoint,
        config=config.model_copy(update={"placed": (*config.placed, *(p.owner for p in additions))}),
        head_state=state,
        training={**checkpoint.training, "placed": origins},
    )


def without_placed(checkpoint: Checkpoint, number: int) -> Checkpoint:
    """The checkpoint without the placed prototype of this number (from 0).

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    owners = checkpoint.config.placed
    if not 0 <= number < len(owners):
        raise ConfigurationError(
            f"expected a prototype that was placed (0 to {len(owners) - 1}), got {number}; trained "
            "prototypes cannot be removed"
        )
    keep = [i for i in range(len(owners)) if i != number]
    state = dict(checkpoint.head_state)
    for name in ("placed.vectors", "placed.offsets"):
        rows = state.pop(name)
        if keep:
            state[name] = rows[keep]
    origins = list(checkpoint.training.get("placed", ()))
    training = {**checkpoint.training, "placed": [origins[i] for i in keep if i < len(origins)]}
    if not keep:
        del training["placed"]
    return replace(
        checkpoint,
        config=checkpoint.config.model_copy(update={"placed": tuple(owners[i] for i in keep)}),
        head_state=state,
        training=training,
    )


def check_has_prototypes(checkpoint: Checkpoint) -> None:
    """Refuse a model without prototypes.

    Raises
    ------
    ConfigurationError
        If the model is of the second stage or was not trained.
    """
    if checkpoint.config.network != "construct" or "prototypes.vectors" not in checkpoint.head_state:
        raise ConfigurationError(
            "expected a model of the first stage, which has prototypes, got one of the second stage or one "
            "that was not trained; choose another model"
        )
