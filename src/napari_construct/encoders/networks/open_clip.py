"""Image-text models through open_clip: QuiltNet, BiomedCLIP, PathGen-CLIP and what else is on the hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Float
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.func import functional_call

from napari_construct.encoders.networks.attentions import DenseAttention
from napari_construct.encoders.networks.dense import as_map, last_block
from napari_construct.encoders.networks.timm_vit import (
    trunk_before_last,
    trunk_patch,
    trunk_taps,
)
from napari_construct.encoders.networks.vit_pyramid import (
    SCALES,
    check_multiple,
    feature_pyramid,
    resize_position_embedding,
    tap_blocks,
)
from napari_construct.encoders.protocol import EncoderSpec, Normalise, freeze
from napari_construct.exceptions import EncoderError


class OpenClipEncoder(nn.Module):
    """Feature pyramid, image and text embeddings of an open_clip model with a ViT.

    Levels have 1/4, 1/2, 1 and 2 times the patch size as stride; position embeddings are resized
    (bicubic) for images of another size than the model was trained on.

    Parameters
    ----------
    model : nn.Module
        With ``visual``, ``encode_image`` and ``encode_text``.
    encoder_id : str
        Name in the catalogue.
    tokenizer : callable
        Texts to (t, context) ids.
    licence : str
        Of the weights.
    """

    def __init__(
        self,
        model: nn.Module,
        encoder_id: str,
        tokenizer: Callable[[list[str]], Tensor],
        *,
        licence: str = "see the model's page",
    ) -> None:
        super().__init__()
        self.clip: Any = model
        self.tokenizer = tokenizer
        patch, width = _patch_and_width(self.clip.visual, encoder_id)
        if patch & (patch - 1):
            raise EncoderError(
                f"{encoder_id}: expected patches of 8, 16 or 32 pixels, got {patch}; choose another model"
            )
        preprocessing = open_clip.get_model_preprocess_cfg(model)
        self.patch = patch
        self.spec = EncoderSpec(
            id=encoder_id,
            channels=(width,) * 4,
            strides=tuple(int(patch / scale) for scale in SCALES),
            multiple=2 * patch,
            mean=tuple(preprocessing.get("mean", OPENAI_DATASET_MEAN)),
            std=tuple(preprocessing.get("std", OPENAI_DATASET_STD)),
            embedding_width=_embedding_width(self.clip),
            licence=licence,
        )
        self.normalise = Normalise(self.spec.mean, self.spec.std)
        freeze(self)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        check_multiple(images, self.spec.multiple, self.spec.id)
        grid = (images.shape[-2] // self.patch, images.shape[-1] // self.patch)
        visual, images = self.clip.visual, self.normalise(images)
        if isinstance(visual, TimmModel):
            return feature_pyramid(trunk_taps(visual.trunk, images, grid))
        positions = resize_position_embedding(visual.positional_embedding[None], 1, grid)[0]
        exchanged = {"visual.positional_embedding": positions}
        return feature_pyramid(functional_call(_Intermediates(visual), exchanged, (images,)))

    def embed_images(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """L2-normalised embeddings; images are resized to the size the model was trained on."""
        size = self.clip.visual.image_size
        size = tuple(size) if isinstance(size, Sequence) else (size, size)
        if tuple(images.shape[-2:]) != size:
            images = F.interpolate(images, size, mode="bicubic", align_corners=False, antialias=True)
        embedded: Tensor = self.clip.encode_image(self.normalise(images), normalize=True)
        return embedded

    def embed_patches(
        self, images: Float[Tensor, "b 3 h w"], attention: DenseAttention = "clearclip"
    ) -> Float[Tensor, "b d gh gw"]:
        """L2-normalised embeddings of every patch, see :mod:`.dense`."""
        check_multiple(images, self.patch, self.spec.id)
        grid = (images.shape[-2] // self.patch, images.shape[-1] // self.patch)
        visual, images = self.clip.visual, self.normalise(images)
        if isinstance(visual, TimmModel):
            if visual.trunk.global_pool != "token":
                raise EncoderError(
                    f"{self.spec.id}: expected a model that reads its class token, got one that pools by "
                    f"{visual.trunk.global_pool}; choose another for dense embeddings"
                )
            tokens = trunk_before_last(visual.trunk, images, grid)
            tokens = last_block(visual.trunk.blocks[-1], tokens, attention)
            return as_map(visual.head(visual.trunk.norm(tokens)), grid)
        if visual.attn_pool is not None or visual.proj is None:
            raise EncoderError(
                f"{self.spec.id}: expected a model that reads its class token, got one that pools by "
                "attention; choose another for dense embeddings"
            )
        positions = resize_position_embedding(visual.positional_embedding[None], 1, grid)[0]
        exchanged = {"visual.positional_embedding": positions}
        tokens = functional_call(_BeforeLast(visual), exchanged, (images,))
        tokens = visual.ln_post(last_block(visual.transformer.resblocks[-1], tokens, attention))
        return as_map(tokens @ visual.proj, grid)

    def text_scale(self) -> float:
        """The model's learned inverse temperature."""
        return float(self.clip.logit_scale.exp())

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "t d"]:
        """L2-normalised embeddings of descriptions."""
        tokens = self.tokenizer(list(texts)).to(self.clip.logit_scale.device)
        embedded: Tensor = self.clip.encode_text(tokens, normalize=True)
        return embedded


class _Intermediates(nn.Module):
    """open_clip's own ViT, four blocks of it, as a forward whose positions may be exchanged."""

    def __init__(self, visual: VisionTransformer) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> list[Tensor]:
        indices = list(tap_blocks(len(self.visual.transformer.resblocks)))
        outputs = self.visual.forward_intermediates(images, indices=indices, intermediates_only=True)
        taps: list[Tensor] = outputs["image_intermediates"]
        return taps


class _BeforeLast(nn.Module):
    """All tokens after the last block but one, as a forward whose positions may be exchanged."""

    def __init__(self, visual: VisionTransformer) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Tensor:
        outputs = self.visual.forward_intermediates(
            images,
            indices=[len(self.visual.transformer.resblocks) - 2],
            stop_early=True,
            intermediates_only=True,
            output_fmt="NLC",
            output_extra_tokens=True,
        )
        prefix, patches = outputs["image_intermediates_prefix"][0], outputs["image_intermediates"][0]
        return torch.cat([prefix, patches], 1)


def _patch_and_width(visual: Any, encoder_id: str) -> tuple[int, int]:
    if isinstance(visual, TimmModel):
        return trunk_patch(visual.trunk, encoder_id), int(visual.trunk.embed_dim)
    if not isinstance(visual, VisionTransformer):
        raise EncoderError(
            f"{encoder_id}: expected a model with a vision transformer, got {type(visual).__name__}; choose "
            "one whose name contains ViT"
        )
    return int(visual.patch_size[0]), int(visual.conv1.out_channels)


def _embedding_width(model: Any) -> int | None:
    projection = getattr(model, "text_projection", None)
    if projection is None:
        width = getattr(getattr(model, "text", None), "output_dim", None)
        return None if width is None else int(width)
    return int(projection.out_features if isinstance(projection, nn.Linear) else projection.shape[-1])
