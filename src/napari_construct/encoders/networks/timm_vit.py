"""Any vision transformer of timm: DINOv2, UNI, Virchow and hundreds more; images only, no text."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

import timm
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from napari_construct.encoders.entries import EncoderEntry
from napari_construct.encoders.networks.foreign_config import (
    Normalisation,
    known_timm_network,
    read_timm,
    timm_arguments,
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
CONFIG: Final = "config.json"
WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")
"""Names of weights in a folder, in order of preference."""

LIBRARY_ERRORS: Final = (
    OSError, RuntimeError, ValueError, TypeError, KeyError, ImportError, AssertionError, AttributeError,
    IndexError, ArithmeticError,
)  # fmt: skip
"""What the libraries raise for a configuration that contradicts itself."""


class TimmViT(nn.Module):
    """Feature pyramid of a timm vision transformer.

    Levels have 1/4, 1/2, 1 and 2 times the patch size as stride. Where a patch is not a power of two pixels
    (14 for DINOv2), the image is resized first so that one patch covers the next power of two (16).

    Parameters
    ----------
    trunk : nn.Module
        A ``timm`` vision transformer with a learned position embedding.
    encoder_id : str
        Name in the catalogue.
    licence : str
        Of the weights.
    mean, std : tuple of float, optional
        Normalisation; by default that of timm.
    """

    def __init__(
        self,
        trunk: nn.Module,
        encoder_id: str,
        *,
        licence: str = "see the model's page",
        mean: tuple[float, float, float] | None = None,
        std: tuple[float, float, float] | None = None,
    ) -> None:
        super().__init__()
        patch = trunk_patch(trunk, encoder_id)
        config: dict[str, Any] = getattr(trunk, "pretrained_cfg", None) or {}
        self.patch, self.cell = patch, 1 << (patch - 1).bit_length()
        self.spec = EncoderSpec(
            id=encoder_id,
            channels=(int(trunk.embed_dim),) * 4,  # type: ignore[arg-type]
            strides=tuple(int(self.cell / scale) for scale in SCALES),
            multiple=2 * self.cell,
            mean=mean or tuple(config.get("mean", EncoderSpec.__dataclass_fields__["mean"].default)),
            std=std or tuple(config.get("std", EncoderSpec.__dataclass_fields__["std"].default)),
            licence=licence,
        )
        self.normalise = Normalise(self.spec.mean, self.spec.std)
        self.vit = trunk
        freeze(self)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        check_multiple(images, self.spec.multiple, self.spec.id)
        grid = (images.shape[-2] // self.cell, images.shape[-1] // self.cell)
        if self.cell != self.patch:
            size = (grid[0] * self.patch, grid[1] * self.patch)
            images = F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
        return feature_pyramid(trunk_taps(self.vit, self.normalise(images), grid))


class _Intermediates(nn.Module):
    """``trunk.forward_intermediates`` as a forward, so that a call may exchange its position embedding."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, images: Tensor, indices: list[int]) -> list[Tensor]:
        taps: list[Tensor] = self.trunk.forward_intermediates(  # type: ignore[operator]
            images, indices=indices, norm=False, output_fmt="NCHW", intermediates_only=True
        )
        return taps


def trunk_patch(trunk: nn.Module, encoder_id: str) -> int:
    """Side of a patch in pixels; sets the trunk to accept any image size, refuses other networks."""
    patch_embed, positions = getattr(trunk, "patch_embed", None), getattr(trunk, "pos_embed", None)
    side = getattr(patch_embed, "patch_size", None)
    if not hasattr(trunk, "forward_intermediates") or not hasattr(trunk, "blocks") or positions is None:
        side = None
    if patch_embed is None or side is None or side[0] != side[1]:
        raise EncoderError(
            f"{encoder_id}: expected a vision transformer with square patches and learned positions, got "
            f"{type(trunk).__name__}; choose a model whose name starts with vit_"
        )
    patch_embed.strict_img_size = False
    return int(side[0])


def trunk_taps(trunk: Any, images: Float[Tensor, "b 3 h w"], grid: tuple[int, int]) -> list[Tensor]:
    """(b, c, h, w) after four blocks of a timm vision transformer, at any image size."""
    indices = list(tap_blocks(len(trunk.blocks)))
    taps: list[Tensor] = functional_call(_Intermediates(trunk), _exchanged(trunk, grid), (images, indices))
    return taps


class _BeforeLast(nn.Module):
    """All tokens after the last block but one, as a forward whose positions may be exchanged."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, images: Tensor) -> Tensor:
        trunk: Any = self.trunk
        ((patches, prefix),) = trunk.forward_intermediates(
            images,
            indices=[len(trunk.blocks) - 2],
            return_prefix_tokens=True,
            norm=False,
            stop_early=True,
            output_fmt="NLC",
            intermediates_only=True,
        )
        return torch.cat([prefix, patches], 1)


def trunk_before_last(
    trunk: Any, images: Float[Tensor, "b 3 h w"], grid: tuple[int, int]
) -> Float[Tensor, "b n c"]:
    """Class, register and patch tokens after the last block but one, at any image size."""
    tokens: Tensor = functional_call(_BeforeLast(trunk), _exchanged(trunk, grid), (images,))
    return tokens


def _exchanged(trunk: Any, grid: tuple[int, int]) -> dict[str, Tensor]:
    """The position embedding for a grid, where the trunk does not resize it itself."""
    if getattr(trunk, "dynamic_img_size", False):
        return {}
    prefix = 0 if trunk.no_embed_class else trunk.num_prefix_tokens
    return {"trunk.pos_embed": resize_position_embedding(trunk.pos_embed, prefix, grid)}


def load_timm_vit(entry: EncoderEntry, weights: Path | None = None, *, config: Path | None = None) -> TimmViT:
    """A timm model of the catalogue from files on this computer.

    Parameters
    ----------
    entry : EncoderEntry
        Its ``model`` is a name that timm knows ("vit_small_patch14_dinov2.lvd142m"), "local-dir:/folder"
        for a folder in timm's hub format, or empty, where ``config`` tells the network.
    weights : Path, optional
        Weights of the model; those of a classification head are ignored.
    config : Path, optional
        ``config.json`` in timm's hub format.

    Raises
    ------
    EncoderError
        If timm does not know the network, or the weights are absent or another model's.
    """
    options = timm_arguments(dict(entry.options), entry.id)
    weights, config = _files(entry, weights, config)
    name, normalisation = entry.model, Normalisation()
    if config is not None:
        known = read_timm(config, entry.id)
        name, normalisation = known.architecture, known.normalisation
        options = known.model_args.given() | options
    state = _state(weights)
    try:
        make = partial(
            timm.create_model, known_timm_network(name), pretrained=False, num_classes=0, **options
        )
        with torch.device("meta"):  # sizes are compared before they take memory
            wanted = make().state_dict()
        check_names(weights, state, wanted, name)
        trunk = make()
    except LIBRARY_ERRORS as error:
        if isinstance(error, EncoderError):
            raise
        reason = str(error).strip().partition("\n")[0][:300]
        raise EncoderError(
            f"{entry.id}: expected a model that timm knows and can load, got: {reason}; check the name"
        ) from error
    trunk.load_state_dict(state, assign=True)
    return TimmViT(
        trunk, entry.id, licence=entry.licence, mean=normalisation.mean, std=normalisation.std
    )  # fmt: skip


def stored_state(entry: EncoderEntry, weights: Path | None = None) -> dict[str, Tensor]:
    """State of the encoder that :func:`load_timm_vit` would make, without making it."""
    return {f"vit.{name}": value for name, value in _state(_files(entry, weights, None)[0]).items()}


def _state(weights: Path) -> dict[str, Tensor]:
    return {name: value for name, value in read_state(weights).items() if not name.startswith("head.")}


def _files(entry: EncoderEntry, weights: Path | None, config: Path | None) -> tuple[Path, Path | None]:
    """Weights, and the configuration where no name that timm knows says what network they are of."""
    named = bool(entry.model)
    if entry.model.startswith(LOCAL):
        folder, named = Path(entry.model.removeprefix(LOCAL)), False
        config = folder / CONFIG
        if not config.is_file():
            raise EncoderError(
                f"{entry.id}: expected a model that timm knows and can load, got a folder without {CONFIG}; "
                "check the path"
            )
        weights = weights or next((folder / file for file in WEIGHTS if (folder / file).is_file()), None)
    if weights is None or (not named and config is None):
        raise EncoderError(
            f"{entry.id}: expected weights and the name of a network, got one of them or none; write "
            "timm:NAME, timm:hf-hub:OWNER/NAME or timm:local-dir:/FOLDER with both, or name a file of weights"
        )
    return weights, None if named else config
