"""The zero-shot network: cosines between patches and prototypes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.networks.attentions import DenseAttention
from napari_construct.encoders.protocol import Encoder, EncoderSpec
from napari_construct.exceptions import EncoderError
from napari_construct.models.network.word_maps import relative_cosines


@dataclass(frozen=True, slots=True)
class ZeroShotOutput:
    """``cam``: (b, k, gh, gw) logits."""

    cam: Float[Tensor, "b k gh gw"]


class ZeroShotNet(nn.Module):
    """Scaled cosines between patches and prototypes, each relative to what all classes share at a place
    (:func:`~napari_construct.models.network.word_maps.relative_cosines`).

    Parameters
    ----------
    encoder : Encoder
        Frozen.
    prototypes : Tensor
        (k, p, d), L2-normalised; a class's value is that of its nearest prototype.
    scale : float
        Multiplies the cosines.
    attention : str or None
        Of :data:`~napari_construct.encoders.networks.dense.ATTENTIONS`; None compares features instead of
        texts.
    neutral : Tensor or None
        (d,) embedding that a single class is compared with.
    centre, spread : Tensor or None
        (c,) statistics of the features of the examples.
    """

    prototypes: Tensor
    neutral: Tensor | None
    centre: Tensor | None
    spread: Tensor | None

    def __init__(
        self,
        encoder: Encoder,
        prototypes: Float[Tensor, "k p d"],
        scale: float,
        attention: DenseAttention | None,
        *,
        neutral: Tensor | None = None,
        centre: Tensor | None = None,
        spread: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.encoder: Any = encoder
        self.scale, self.attention = scale, attention
        for name, value in (
            ("prototypes", prototypes), ("neutral", neutral), ("centre", centre), ("spread", spread),
        ):  # fmt: skip
            self.register_buffer(name, value)

    @property
    def spec(self) -> EncoderSpec:
        found: EncoderSpec = self.encoder.spec
        return found

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> ZeroShotOutput:
        if self.attention is None:
            patches = dense_features(self.encoder, images)
            patches = F.normalize((patches - _column(self.centre)) / _column(self.spread), dim=1)
        else:
            patches = self.encoder.embed_patches(images, self.attention)
        return ZeroShotOutput(self.scale * relative_cosines(patches, self.prototypes, self.neutral))


def dense_features(encoder: Encoder, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c gh gw"]:
    """Levels from the second on, each of unit length, together on the grid of the second."""
    levels = encoder(images)[1:]
    size = levels[0].shape[-2:]
    resized = [
        level if level.shape[-2:] == size
        else F.interpolate(level, size, mode="bilinear", align_corners=False)
        for level in levels
    ]  # fmt: skip
    return torch.cat([F.normalize(level, dim=1) for level in resized], 1)


def _column(values: Tensor | None) -> Tensor:
    if values is None:
        raise EncoderError("expected statistics of examples, got none; make the predictor again")
    return values.view(1, -1, 1, 1)
