"""What every file of weights needs: copies, stored precision, finite numbers, strict loading."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_construct.exceptions import CheckpointError


def copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in state.items()}


def halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy on the CPU; float32 tensors of two or more dimensions in half precision, if it holds them."""
    return {
        name: value.half() if value.dtype == torch.float32 and _fits_half(value) else value
        for name, value in copied(state).items()
    }


def _fits_half(value: Tensor) -> bool:
    return value.ndim > 1 and bool((value.abs() <= torch.finfo(torch.float16).max).all())


def widened(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Half precision as float32, for hashes."""
    return {name: v.float() if v.dtype == torch.float16 else v for name, v in state.items()}


def not_finite(states: Mapping[str, Mapping[str, Tensor]]) -> str | None:
    """Name of the first tensor with NaN or infinite values; None if there is none."""
    for state in states.values():
        for name, value in state.items():
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                return name
    return None


def infinite(path: Path, name: str) -> CheckpointError:
    """The error for weights that are not finite and must not be written."""
    return CheckpointError(
        f"{path}: expected finite weights, got NaN or infinite values in {name}; nothing was written; train "
        "again with a lower learning rate"
    )


def shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Shapes of a state, by name."""
    return {name: tuple(value.shape) for name, value in state.items()}


def check_shapes(expected: Mapping[str, tuple[int, ...]], state: Mapping[str, Tensor], what: str) -> None:
    """Refuse a state that misses a tensor, has one too many, or one of another shape.

    Raises
    ------
    CheckpointError
        Names the first such tensor, and ``what`` it should belong to.
    """
    found = shapes(state)
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"expected the weights of {what}, got others: {name[:80]} has shape {found.get(name, 'none')} "
            f"instead of {expected.get(name, 'none')} ({len(wrong)} such tensors); "
            "use the checkpoint with its own configuration"
        )


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load a state whose names, shapes and kinds of numbers are those of the module.

    Raises
    ------
    CheckpointError
        Otherwise.
    """
    own = module.state_dict()
    check_shapes(shapes(own), state, what)
    wrong = [n for n, value in own.items() if value.is_floating_point() != state[n].is_floating_point()]
    if wrong:
        raise CheckpointError(
            f"expected the weights of {what}, got others: {wrong[0]} is of type {state[wrong[0]].dtype}; use "
            "the checkpoint as it was written"
        )
    module.load_state_dict(dict(state), strict=True)
