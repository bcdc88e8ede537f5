"""What all plain vision transformers share: one stride everywhere, made into a pyramid.

A ViT keeps the grid of its patches through all blocks. Following ConStruct (section 2.1), four
blocks are tapped and resized to the strides of a hierarchical encoder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from napari_construct.exceptions import EncoderError

SCALES = (4.0, 2.0, 1.0, 0.5)
"""Size of each level, finest first, relative to the patch grid."""


def feature_pyramid(taps: Sequence[Float[Tensor, "b c h w"]]) -> tuple[Tensor, ...]:
    """Four taps of one size to four levels: x 4, x 2 (bilinear), as it is, mean of 2 x 2."""
    up4 = F.interpolate(taps[0], scale_factor=4, mode="bilinear", align_corners=False)
    up2 = F.interpolate(taps[1], scale_factor=2, mode="bilinear", align_corners=False)
    return up4, up2, taps[2], F.avg_pool2d(taps[3], 2)


def tap_blocks(depth: int) -> tuple[int, ...]:
    """Last block of each quarter of the network, 0-based: 2, 5, 8, 11 of twelve."""
    if depth < 4:
        raise EncoderError(
            f"expected a transformer of at least four blocks, got {depth}; choose another model"
        )
    return tuple(depth * quarter // 4 - 1 for quarter in (1, 2, 3, 4))


def resize_position_embedding(
    embedding: Float[Tensor, "1 n c"],
    prefix: int,
    grid: tuple[int, int],
    *,
    mode: str = "bicubic",
    antialias: bool = True,
) -> Float[Tensor, "1 m c"]:
    """Resample a learned square position embedding to another grid.

    Parameters
    ----------
    embedding : Tensor
        ``prefix`` vectors of class and register tokens, then those of a square grid, row by row.
    prefix : int
        Vectors that have no place in the grid.
    grid : tuple of int
        Rows and columns wanted; the same grid returns the embedding as it is.
    mode, antialias
        Of the interpolation. CONCH is resized bilinearly without antialiasing.
    """
    side = square_side(embedding.shape[1] - prefix)
    if grid == (side, side):
        return embedding
    tokens = embedding[:, prefix:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(tokens, grid, mode=mode, align_corners=False, antialias=antialias)
    return torch.cat([embedding[:, :prefix], resized.flatten(2).transpose(1, 2)], 1)


def square_side(tokens: int) -> int:
    """Side of a square grid of so many places."""
    side = math.isqrt(max(tokens, 0))
    if side < 1 or side * side != tokens:
        raise EncoderError(
            f"expected position embeddings of a square grid, got {tokens} places; use another file"
        )
    return side


def check_multiple(images: Float[Tensor, "b 3 h w"], multiple: int, encoder_id: str) -> None:
    """Refuse images whose sides do not fit the strides."""
    h, w = images.shape[-2:]
    if images.shape[1] != 3 or h % multiple or w % multiple or not h or not w:
        raise EncoderError(
            f"{encoder_id}: expected RGB images whose sides are multiples of {multiple} pixels, "
            f"got {tuple(images.shape)}; pad or crop them"
        )
