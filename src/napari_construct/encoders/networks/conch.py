"""CONCH: the vision-language model of ConStruct's student, composed from timm and open_clip parts.

Lu et al. 2024, "A visual-language foundation model for computational pathology". Nothing of CONCH is
here but the names of its parts: the weights are gated (CC-BY-NC-ND 4.0), come from the user's own
file, and are never stored in a checkpoint. All 326 published tensors of the two encoders load
strictly; the caption decoder's are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Float
from open_clip.transformer import AttentionalPooler
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from napari_construct.encoders.networks.attentions import DenseAttention
from napari_construct.encoders.networks.conch_text import (
    CONTEXT,
    VOCABULARY,
    ConchTokenizer,
    find_tokenizer,
    text_tower,
)
from napari_construct.encoders.networks.dense import as_map, last_block
from napari_construct.encoders.networks.vit_pyramid import (
    check_multiple,
    feature_pyramid,
    resize_position_embedding,
    square_side,
)
from napari_construct.encoders.protocol import EncoderSpec, Normalise, freeze
from napari_construct.encoders.weight_files import check_names, read_state
from napari_construct.exceptions import EncoderError
from napari_construct.types import PathLike

OPENAI_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD: Final = (0.26862954, 0.26130258, 0.27577711)
TAPS: Final = (2, 5, 8, 11)
TOKEN_SIDE: Final = 16
IGNORED: Final = "text_decoder."
"""Prefix of the caption decoder's weights."""

_POSITIONS: Final = "visual.trunk.pos_embed"

SPEC: Final = EncoderSpec(
    id="conch",
    channels=(768,) * 4,
    strides=(4, 8, 16, 32),
    multiple=32,
    mean=OPENAI_MEAN,
    std=OPENAI_STD,
    embedding_width=512,
    licence="CC-BY-NC-ND-4.0",
)


class ConchVisual(nn.Module):
    """ViT-B/16 trunk with CONCH's two attentional poolers.

    Parameters
    ----------
    grid : int
        Side of the position embedding's grid: 28 as published, for 448 pixels.
    """

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.trunk = VisionTransformer(
            img_size=grid * TOKEN_SIDE,
            patch_size=TOKEN_SIDE,
            embed_dim=768,
            depth=12,
            num_heads=12,
            num_classes=0,
        )
        self.trunk.patch_embed.strict_img_size = False
        self.attn_pool_contrast = AttentionalPooler(512, 768, n_head=8, n_queries=1)
        self.ln_contrast = nn.LayerNorm(512)
        self.proj_contrast = nn.Parameter(torch.empty(512, 512))
        # of the caption decoder; they complete the published names and are not used here
        self.attn_pool_caption = AttentionalPooler(768, 768, n_head=8, n_queries=256)
        self.ln_caption = nn.LayerNorm(768)

    def embed(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n c"]:
        """Patch tokens behind the class token, with positions."""
        trunk = self.trunk
        grid = (images.shape[-2] // TOKEN_SIDE, images.shape[-1] // TOKEN_SIDE)
        if trunk.cls_token is None or trunk.pos_embed is None:
            raise EncoderError(
                "expected a trunk with class token and positions, got none; do not remove them"
            )
        tokens = torch.cat([trunk.cls_token.expand(len(images), -1, -1), trunk.patch_embed(images)], 1)
        return tokens + resize_position_embedding(trunk.pos_embed, 1, grid, mode="bilinear", antialias=False)

    def taps(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """(b, 768, h / 16, w / 16) after the blocks ``TAPS``, class token dropped, not normalised."""
        b, _, h, w = images.shape
        tokens, taps = self.embed(images), []
        for i, block in enumerate(self.trunk.blocks):
            tokens = block(tokens)
            if i in TAPS:
                taps.append(tokens[:, 1:].transpose(1, 2).reshape(b, -1, h // TOKEN_SIDE, w // TOKEN_SIDE))
        return taps

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 512"]:
        tokens = self.trunk.norm(self.trunk.blocks(self.embed(images)))
        pooled = self.ln_contrast(self.attn_pool_contrast(tokens)[:, 0])
        return F.normalize(pooled @ self.proj_contrast, dim=-1)


class ConchEncoder(nn.Module):
    """Student of the published network: feature pyramid, image and text embeddings.

    Without weights it takes no memory (its parameters are on torch's meta device); make
    one with :meth:`from_state_dict` or :func:`load_conch`. Images may have any size that is a multiple of 32:
    the position embedding is resized bilinearly, without antialiasing, as CONCH does at loading.

    Parameters
    ----------
    grid : int
        Side of the position embedding's grid.
    """

    def __init__(self, grid: int = 28) -> None:
        super().__init__()
        self.spec = SPEC
        with torch.device("meta"):
            self.visual = ConchVisual(grid)
            self.text = text_tower()
            self.logit_scale = nn.Parameter(torch.empty(()))
        self.text.attn_mask = self.text.build_causal_mask()
        self.normalise = Normalise(self.spec.mean, self.spec.std)
        self.tokenizer: ConchTokenizer | None = None

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], source: PathLike | None = None) -> ConchEncoder:
        """Build from the published names, frozen; the grid is read off the position embedding.

        Raises
        ------
        EncoderError
            If a name is missing or unknown, or a shape differs; decoder names are ignored.
        """
        state = {name: value for name, value in state.items() if not name.startswith(IGNORED)}
        encoder = cls(
            square_side(state[_POSITIONS].shape[1] - 1) if _is_positions(state.get(_POSITIONS)) else 28
        )
        check_names(source, state, encoder.state_dict(), "CONCH")
        encoder.load_state_dict(dict(state), strict=True, assign=True)
        freeze(encoder)
        return encoder

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        check_multiple(images, self.spec.multiple, self.spec.id)
        return feature_pyramid(self.visual.taps(self.normalise(images)))

    def embed_images(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 512"]:
        """L2-normalised embeddings of RGB images in [0, 1]; crops may leave that range."""
        check_multiple(images, TOKEN_SIDE, self.spec.id)
        embedded: Tensor = self.visual(self.normalise(images))
        return embedded

    def embed_patches(
        self, images: Float[Tensor, "b 3 h w"], attention: DenseAttention = "clearclip"
    ) -> Float[Tensor, "b 512 gh gw"]:
        """L2-normalised embeddings of every patch, see :mod:`.dense`.

        CONCH pools its patches by attention: a pooler that attends to one patch alone returns that
        patch's value, so each passes through the pooler's value and output projections.
        """
        check_multiple(images, TOKEN_SIDE, self.spec.id)
        visual, pooler = self.visual, self.visual.attn_pool_contrast
        tokens = visual.embed(self.normalise(images))
        for block in list(visual.trunk.blocks)[:-1]:
            tokens = block(tokens)
        tokens = visual.trunk.norm(last_block(visual.trunk.blocks[-1], tokens, attention))
        width = pooler.attn.embed_dim
        values = F.linear(
            pooler.ln_k(tokens), pooler.attn.v_proj_weight, pooler.attn.in_proj_bias[2 * width :]
        )
        pooled = visual.ln_contrast(pooler.attn.out_proj(values)) @ visual.proj_contrast
        return as_map(pooled, (images.shape[-2] // TOKEN_SIDE, images.shape[-1] // TOKEN_SIDE))

    def text_scale(self) -> float:
        """CONCH's learned inverse temperature."""
        return float(self.logit_scale.exp())

    def embed_tokens(self, tokens: Tensor | npt.NDArray[Any]) -> Float[Tensor, "t 512"]:
        """L2-normalised embeddings of (t, 128) integer ids of :class:`~.conch_text.ConchTokenizer`.

        The last id is where CONCH's class token goes and is not read.
        """
        ids = torch.as_tensor(tokens)
        if ids.ndim != 2 or ids.shape[1] != CONTEXT + 1 or ids.is_floating_point():
            raise EncoderError(
                f"expected integer tokens of shape (t, {CONTEXT + 1}), got {tuple(ids.shape)} {ids.dtype}; "
                "make them with ConchTokenizer"
            )
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < VOCABULARY:
            raise EncoderError(
                f"expected tokens from 0 to {VOCABULARY - 1}, got others; use CONCH's tokenizer"
            )
        pooled, _ = self.text(ids[:, :-1].long().to(self.logit_scale.device))
        return F.normalize(pooled, dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "t 512"]:
        """L2-normalised embeddings of descriptions."""
        if self.tokenizer is None:
            raise EncoderError(
                "expected CONCH's tokenizer file for texts, got none; put conch_byte_level_bpe_uncased.json "
                "beside the weights, or name it when loading"
            )
        return self.embed_tokens(self.tokenizer(texts))


def load_conch(weights: PathLike, *, tokenizer: PathLike | None = None) -> ConchEncoder:
    """CONCH from the user's own file.

    Parameters
    ----------
    weights : path
        ``pytorch_model.bin`` as published, or safetensors of the same names.
    tokenizer : path, optional
        The BPE file; one that lies beside the weights is found. Only texts need it.

    Raises
    ------
    EncoderError
        If a file is absent, damaged or another model's.
    """
    encoder = ConchEncoder.from_state_dict(read_state(weights), weights)
    path = tokenizer if tokenizer is not None else find_tokenizer(weights)
    encoder.tokenizer = ConchTokenizer(path) if path is not None else None
    return encoder


def _is_positions(value: Tensor | None) -> bool:
    return value is not None and value.ndim == 3
