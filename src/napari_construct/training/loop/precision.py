"""Numerical precision of the network."""

from __future__ import annotations

from typing import Final

import torch

_TYPES: Final = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_precision(name: str, device: torch.device) -> torch.dtype | None:
    """The type for autocast, or None for float32 throughout.

    "auto" takes bfloat16 on a GPU that computes in it, float16 on other CUDA GPUs (its gradients are
    scaled), and float32 elsewhere: on CPUs the backward pass of some convolutions in half precision is ten
    times slower than in float32.
    """
    if name != "auto":
        return _TYPES[name]
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def autocast(dtype: torch.dtype | None, device: torch.device) -> torch.autocast:
    """Context in which the network computes in ``dtype``; without effect for None."""
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)
