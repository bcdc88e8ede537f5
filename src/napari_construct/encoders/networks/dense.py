"""Dense embeddings of image-text transformers: every patch in the space of the texts, without training.

A CLIP model embeds a whole image through its class token. Its last block mixes all patches, so patch tokens
lose their place. Another attention in the last block keeps it, with the same weights.
:mod:`~napari_construct.encoders.networks.attentions` lists published ones.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, runtime_checkable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.networks.attentions import DenseAttention
from napari_construct.encoders.protocol import TextEncoder
from napari_construct.exceptions import EncoderError

_RESIDUAL: Final = ("clip_surgery", "sclip", "none")
_FEED_FORWARD: Final = ("sclip", "none")


@runtime_checkable
class DenseTextEncoder(TextEncoder, Protocol):
    """A text encoder that also embeds every patch of an image in the space of the texts."""

    def embed_patches(
        self, images: Float[Tensor, "b 3 h w"], attention: DenseAttention = "clearclip"
    ) -> Float[Tensor, "b d gh gw"]:
        """L2-normalised embeddings of the patches of RGB images in [0, 1]."""
        ...

    def text_scale(self) -> float:
        """Factor of cosines between images and texts: the learned inverse temperature."""
        ...


def last_block(
    block: nn.Module, tokens: Float[Tensor, "b n c"], attention: DenseAttention
) -> Float[Tensor, "b n c"]:
    """Output of a transformer's last block with another attention, see the table above.

    Parameters
    ----------
    block : nn.Module
        Of timm's vision transformer or of open_clip's.
    tokens : Tensor
        Output of the block before it, class token included.
    attention : str
        One of :data:`~napari_construct.encoders.networks.attentions.ATTENTIONS`.

    Raises
    ------
    EncoderError
        If the block has another structure.
    """
    parts = _parts(block)
    q, k, v = parts.qkv(parts.first_norm(tokens))
    mixed = _mixed(q, k, v, attention)
    projected = parts.project(mixed.transpose(1, 2).flatten(2))
    out: Tensor = tokens + projected if attention in _RESIDUAL else projected
    if attention in _FEED_FORWARD:
        return out + parts.feed_forward(out)
    return out


def _mixed(q: Tensor, k: Tensor, v: Tensor, attention: DenseAttention) -> Float[Tensor, "b heads n d"]:
    scale = q.shape[-1] ** -0.5

    def weights(a: Tensor, b: Tensor) -> Tensor:
        attended: Tensor = (a @ b.transpose(-2, -1) * scale).softmax(-1)
        return attended

    if attention == "maskclip":
        return v
    if attention == "clip_surgery":
        return weights(v, v) @ v
    if attention == "clearclip":
        return weights(q, q) @ v
    if attention == "sclip":
        return (weights(q, q) + weights(k, k)) @ v
    return weights(q, k) @ v


class _TimmParts:
    """A block of timm."""

    def __init__(self, block: Any) -> None:
        self.block = block
        self.first_norm = block.norm1

    def qkv(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        attention = self.block.attn
        b, n, _ = x.shape
        q, k, v = attention.qkv(x).reshape(b, n, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
        return attention.q_norm(q), attention.k_norm(k), v

    def project(self, x: Tensor) -> Tensor:
        attention = self.block.attn
        out: Tensor = self.block.ls1(attention.proj(getattr(attention, "norm", nn.Identity())(x)))
        return out

    def feed_forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block.ls2(self.block.mlp(self.block.norm2(x)))
        return out


class _OpenClipParts:
    """A block of open_clip."""

    def __init__(self, block: Any) -> None:
        self.block = block
        self.first_norm = block.ln_1

    def qkv(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        attention = self.block.attn
        b, n, _ = x.shape
        joined = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
        q, k, v = joined.reshape(b, n, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
        return q, k, v

    def project(self, x: Tensor) -> Tensor:
        out: Tensor = self.block.ls_1(self.block.attn.out_proj(x))
        return out

    def feed_forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block.ls_2(self.block.mlp(self.block.ln_2(x)))
        return out


def _parts(block: Any) -> _TimmParts | _OpenClipParts:
    attention = getattr(block, "attn", None)
    if hasattr(block, "norm1") and getattr(attention, "qkv", None) is not None:
        return _TimmParts(block)
    if hasattr(block, "ln_1") and getattr(attention, "in_proj_weight", None) is not None:
        return _OpenClipParts(block)
    raise EncoderError(
        f"expected a transformer block of timm or open_clip, got {type(block).__name__}; choose "
        "another encoder"
    )


def as_map(tokens: Float[Tensor, "b n d"], grid: tuple[int, int]) -> Float[Tensor, "b d gh gw"]:
    """L2-normalised patch tokens in their places; what lies before them (class, registers) is dropped."""
    patches = F.normalize(tokens[:, tokens.shape[1] - grid[0] * grid[1] :], dim=-1)
    return patches.transpose(1, 2).reshape(len(tokens), -1, *grid)
