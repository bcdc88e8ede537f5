"""StructureTeacher: a teacher without weights, from stains and gradients of an H&E image.

Relational distillation only asks a teacher which places of an image are similar. That needs no learning. At
every stride the teacher gives the amounts of hematoxylin and eosin (Ruifrok and Johnston 2001) and the
strength of their gradients at several scales, each relative to its spread in the image's surroundings, so
that boundaries between tissues stand out for any stain.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.protocol import EncoderSpec

_STAINS: Final = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, -0.06, 0.96))
"""Unit optical densities of hematoxylin and eosin, and a residual."""

SCALES: Final = (1, 2, 4)
"""Widths in pixels of the boxes that gradients are taken between."""


class StructureTeacher(nn.Module):
    """Fixed stain and gradient maps at strides 4, 8, 16 and 32; no parameters, MIT."""

    unmix: Tensor

    def __init__(self) -> None:
        super().__init__()
        channels = 2 + 2 * len(SCALES)
        self.spec = EncoderSpec(
            id="structure",
            channels=(channels,) * 4,
            strides=(4, 8, 16, 32),
            multiple=32,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            licence="MIT",
            redistributable=True,
        )
        self.register_buffer("unmix", torch.linalg.inv(F.normalize(torch.tensor(_STAINS), dim=1)))

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        density = -(images.clamp(0, 1) * 0.98 + 0.02).log()
        stains = torch.einsum("bchw,cs->bshw", density, self.unmix.to(density))[:, :2]
        maps = torch.cat([stains, *(_gradient(stains, scale) for scale in SCALES)], dim=1)
        levels = [F.avg_pool2d(maps, 4)]
        for _ in range(3):
            levels.append(F.avg_pool2d(levels[-1], 2))
        # differences from the image's own mean: tokens that deviate alike are related
        return tuple(
            (level - level.mean((2, 3), keepdim=True)) / (maps.std((2, 3), keepdim=True) + 1e-3)
            for level in levels
        )


def _gradient(stains: Float[Tensor, "b 2 h w"], scale: int) -> Float[Tensor, "b 2 h w"]:
    """Magnitude of the difference between boxes of ``scale`` pixels on either side."""
    pad = F.pad(stains, (scale, scale, scale, scale), mode="replicate")
    blurred = F.avg_pool2d(F.pad(pad, (0, scale - 1, 0, scale - 1), mode="replicate"), scale, 1)
    h, w = stains.shape[-2:]
    x = blurred[..., scale : scale + h, 2 * scale : 2 * scale + w] - blurred[..., scale : scale + h, :w]
    y = blurred[..., 2 * scale : 2 * scale + h, scale : scale + w] - blurred[..., :h, scale : scale + w]
    return (x.square() + y.square() + 1e-8).sqrt()
