"""The encoder protocol.

An encoder turns RGB in [0, 1] into a pyramid of feature maps. Normalisation is its own
business: nobody outside subtracts a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """The numbers a builder needs to attach a head to an encoder.

    Attributes
    ----------
    id : str
        Name in the catalogue.
    channels, strides : tuple of int
        Per level, finest first: channels, and input pixels per feature pixel.
    multiple : int
        Image height and width must be a multiple of this many pixels.
    mean, std : tuple of float
        RGB statistics of the normalisation, for images in [0, 1].
    mpp : float or None
        Micrometres per pixel the encoder was trained at, where known.
    embedding_width : int or None
        Width of the joint image-text embedding; None for encoders without text.
    licence : str
        Licence of the weights.
    redistributable : bool
        Whether weights may be stored in a checkpoint. Never true of gated encoders.
    """

    id: str
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    multiple: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    mpp: float | None = None
    embedding_width: int | None = None
    licence: str = "MIT"
    redistributable: bool = False


@runtime_checkable
class Encoder(Protocol):
    """A student or teacher. Implementations are ``nn.Module`` with a ``spec``."""

    spec: EncoderSpec

    def __call__(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        """Feature maps (b, c_l, h / s_l, w / s_l), finest level first, of RGB in [0, 1]."""
        ...


@runtime_checkable
class TextEncoder(Encoder, Protocol):
    """A student that also embeds text and whole images in one space."""

    def embed_images(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """L2-normalised embeddings of RGB images in [0, 1]."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "t d"]:
        """L2-normalised embeddings of descriptions."""
        ...


class Normalise(nn.Module):
    """(x - mean) / std per RGB channel; the first layer of every encoder."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer(
            "mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1), persistent=False
        )
        self.register_buffer(
            "std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1), persistent=False
        )

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean.to(images.dtype)) / self.std.to(images.dtype)


def freeze(encoder: nn.Module) -> nn.Module:
    """Stop gradients into every parameter and switch to eval mode; returns the same module."""
    return encoder.requires_grad_(False).eval()
