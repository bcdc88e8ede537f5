"""Numerical precision of a model's encoder."""

from __future__ import annotations

from typing import Literal

import torch

from napari_construct.crf.lowrank.settings import fast_bfloat16
from napari_construct.encoders.protocol import EncoderSpec
from napari_construct.exceptions import ConfigurationError

Precision = Literal["float32", "bfloat16"]


def resolve_precision(
    name: str, device: torch.device, spec: EncoderSpec, *, published: bool = False
) -> Precision:
    """The precision of a name, "auto", "float32" or "bfloat16".

    "auto" takes bfloat16 on processors that multiply it natively, which halves the time of the encoder,
    where the encoder's specification says that masks stay the same, and the model is not one of the
    published arithmetic. Everything else, graphics cards too, computes in float32.

    Raises
    ------
    ConfigurationError
        If there is no such precision.
    """
    match name:
        case "float32" | "bfloat16":
            return name
        case "auto":
            quick = device.type == "cpu" and spec.bfloat16 and fast_bfloat16(device)
            return "bfloat16" if quick and not published else "float32"
    raise ConfigurationError(f"expected a precision of auto, float32 or bfloat16, got {name!r}")
