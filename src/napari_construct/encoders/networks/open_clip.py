"""Image-text models through open_clip: QuiltNet, BiomedCLIP, PathGen-CLIP and what else is on the hub."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Float
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.timm_model import TimmModel
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.func import functional_call

from napari_construct.encoders.entries import EncoderEntry
from napari_construct.encoders.networks.attentions import DenseAttention
from napari_construct.encoders.networks.clip_names import is_transformers_clip, to_open_clip
from napari_construct.encoders.networks.dense import as_map, last_block
from napari_construct.encoders.networks.foreign_config import OpenClipConfig, Text, read_open_clip
from napari_construct.encoders.networks.timm_vit import (
    LIBRARY_ERRORS,
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
from napari_construct.encoders.weight_files import check_names, read_state
from napari_construct.exceptions import EncoderError

LOCAL: Final = "local-dir:"
CONFIG: Final = "open_clip_config.json"
WEIGHTS: Final = (
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth", "model.safetensors", "pytorch_model.bin",
)  # fmt: skip
"""Names of weights in a folder, in order of preference."""

TOKENIZER_FILES: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
)


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


def load_open_clip(
    entry: EncoderEntry, weights: Path | None = None, *, config: Path | None = None
) -> OpenClipEncoder:
    """An open_clip model of the catalogue from files on this computer.

    Parameters
    ----------
    entry : EncoderEntry
        Its ``model`` is a name that open_clip knows ("ViT-B-16"), "local-dir:/folder" for a folder in
        open_clip's hub format, or empty, where ``config`` tells the network.
    weights : Path, optional
        State dict of the whole model, in the layout of open_clip or of transformers.
    config : Path, optional
        ``open_clip_config.json``; one that lies beside the weights is found.

    Raises
    ------
    EncoderError
        If open_clip does not know the network, its configuration has unknown keys or sizes out of bounds, or
        the weights are absent or another model's.
    """
    weights, config = _files(entry, weights, config)
    state = _state(weights)
    known = None if config is None else read_open_clip(config, entry.id)
    with _named(entry, known) as name:
        make = partial(open_clip.create_model, name, load_weights=False, pretrained_text=False)
        with torch.device("meta"):  # sizes are compared before they take memory
            wanted = _made(entry, partial(make, device="meta")).state_dict()
        check_names(weights, state, wanted, entry.model or "the network of its configuration")
        model = _made(entry, make)
    model.load_state_dict(state, assign=True)
    if known is None or config is None:
        tokenizer = _made(entry, partial(open_clip.get_tokenizer, entry.model))
    else:
        tokenizer = _made(entry, partial(_tokenizer, known.model_cfg.text_cfg, config.parent))
    return OpenClipEncoder(model, entry.id, tokenizer, licence=entry.licence)


def stored_state(entry: EncoderEntry, weights: Path | None = None) -> dict[str, Tensor]:
    """State of the encoder that :func:`load_open_clip` would make, without making it."""
    return {f"clip.{name}": value for name, value in _state(_files(entry, weights, None)[0]).items()}


def _state(weights: Path) -> dict[str, Tensor]:
    state = read_state(weights)
    state = to_open_clip(state) if is_transformers_clip(state) else state
    return {name: value for name, value in state.items() if not name.endswith("position_ids")}


def _files(entry: EncoderEntry, weights: Path | None, config: Path | None) -> tuple[Path, Path | None]:
    """Weights, and the configuration where no name that open_clip knows says what network they are of."""
    folder = None if weights is None else weights.parent
    if entry.model.startswith(LOCAL):
        folder = Path(entry.model.removeprefix(LOCAL))
        config = folder / CONFIG
        if not config.is_file():
            raise EncoderError(
                f"{entry.id}: expected a model that open_clip knows and can load, got a folder without "
                f"{CONFIG}; check the path"
            )
        weights = weights or next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    elif entry.model:
        config = None
    elif config is None and folder is not None and (folder / CONFIG).is_file():
        config = folder / CONFIG
    if weights is None or (
        config is None and (not entry.model or entry.model not in open_clip.list_models())
    ):
        raise EncoderError(
            f"{entry.id}: expected weights and the network's {CONFIG} or a name that open_clip knows, got "
            f"{'a network without weights' if weights is None else 'weights alone'}; write "
            "open_clip:hf-hub:OWNER/NAME, open_clip:local-dir:/FOLDER with both, or name a file of weights"
        )
    return weights, config


@contextmanager
def _named(entry: EncoderEntry, known: OpenClipConfig | None) -> Iterator[str]:
    """What open_clip calls the network; one of a configuration is a folder with its known part alone."""
    if known is None:
        yield entry.model
        return
    with TemporaryDirectory(prefix="napari-construct-") as folder:
        text = known.model_dump_json(exclude_unset=True)
        (Path(folder) / CONFIG).write_text(text, encoding="utf-8")
        yield f"{LOCAL}{folder}"


def _made(entry: EncoderEntry, make: Callable[[], Any]) -> Any:
    log = logging.getLogger()
    log.addFilter(_not_of_random_weights)
    try:
        return make()
    except LIBRARY_ERRORS as error:
        reason = str(error).strip().partition("\n")[0][:300]
        raise EncoderError(
            f"{entry.id}: expected a model that open_clip knows and can load, got: {reason}; check the name"
        ) from error
    finally:
        log.removeFilter(_not_of_random_weights)


def _tokenizer(text: Text, folder: Path) -> Any:
    """The tokenizer of a configuration; of the transformers library only its own classes."""
    given = {} if text.tokenizer_kwargs is None else text.tokenizer_kwargs.model_dump(exclude_none=True)
    if not text.hf_tokenizer_name:
        clean = {"clean": given["clean"]} if "clean" in given else {}
        return SimpleTokenizer(context_length=text.context_length, **clean)
    beside = any((folder / name).is_file() for name in TOKENIZER_FILES)
    return HFTokenizer(
        str(folder) if beside else text.hf_tokenizer_name,
        context_length=text.context_length,
        tokenizer_mode=text.tokenizer_mode,
        trust_remote_code=False,
        **given,
    )


def _not_of_random_weights(record: logging.LogRecord) -> bool:
    """open_clip warns of absent weights where ours are still to come; without any there is an error."""
    said = record.getMessage()
    return "initialized randomly" not in said and "no CLIP weights found" not in said


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
