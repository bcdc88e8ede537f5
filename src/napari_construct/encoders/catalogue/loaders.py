"""Load an encoder from its catalogue entry and files on this computer."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_construct.encoders.entries import EncoderEntry, Loader
from napari_construct.exceptions import EncoderError

if TYPE_CHECKING:
    from torch import Tensor

    from napari_construct.encoders.protocol import Encoder

_Files = Mapping[str, Path]
_Load = Callable[[EncoderEntry, Path | None, _Files], "Encoder"]


def load_encoder(entry: EncoderEntry, weights: Path | None, files: Mapping[str, Path]) -> Encoder:
    """Make the encoder of an entry.

    Parameters
    ----------
    entry : EncoderEntry
        Entry of the encoder.
    weights : Path or None
        File of weights; None if they are bundled or there are none.
    files : mapping of str to Path
        Further files of the entry that are on this computer, by name.

    Raises
    ------
    EncoderError
        If a file is absent, damaged or of another model, or a package is missing.
    """
    for package in entry.requires:
        if importlib.util.find_spec(package) is None:
            raise EncoderError(
                f"{entry.id}: expected the package {package}, got none installed; run 'pip install {package}'"
            )
    encoder = _LOADERS[entry.loader](entry, weights, files)
    encoder.spec = replace(
        encoder.spec,
        id=entry.id,
        mpp=entry.mpp or encoder.spec.mpp,
        licence=entry.licence,
        redistributable=entry.redistributable,
    )
    return encoder


def stored_state(entry: EncoderEntry, weights: Path | None) -> Mapping[str, Tensor]:
    """State of the encoder in a folder, from its weights alone: nothing is built, no configuration is read.

    Parameters
    ----------
    entry : EncoderEntry
        Of a family, for a folder ("timm:local-dir:/FOLDER").
    weights : Path or None
        Which file of the folder; None looks for one under the usual names.

    Raises
    ------
    EncoderError
        If there are no weights, or they are damaged.
    """
    if entry.loader == "timm":
        from napari_construct.encoders.networks import timm_vit

        return timm_vit.stored_state(entry, weights)
    from napari_construct.encoders.networks import open_clip_files

    return open_clip_files.stored_state(entry, weights)


def _tiny(entry: EncoderEntry, weights: Path | None, _: _Files) -> Encoder:
    from napari_construct.encoders.networks.tiny import TinyEncoder

    _refuse_weights(entry, weights, "its weights are fixed")
    return TinyEncoder(encoder_id=entry.id)


def _structure(entry: EncoderEntry, weights: Path | None, _: _Files) -> Encoder:
    from napari_construct.encoders.networks.structure import StructureTeacher

    _refuse_weights(entry, weights, "it has none")
    return StructureTeacher()


def _mini(_: EncoderEntry, weights: Path | None, __: _Files) -> Encoder:
    from napari_construct.encoders.networks.mini import load_mini

    return load_mini(weights)


def _lite(entry: EncoderEntry, weights: Path | None, _: _Files) -> Encoder:
    from napari_construct.encoders.networks.lite import bundled_weights, load_lite

    return load_lite(entry.model or entry.id, weights or bundled_weights(entry.id))


def _untrained(entry: EncoderEntry, weights: Path | None, _: _Files) -> Encoder:
    from napari_construct.encoders.networks.mini import make_untrained

    _refuse_weights(entry, weights, "its training starts from random weights")
    return make_untrained(entry.id)


def _conch(entry: EncoderEntry, weights: Path | None, files: _Files) -> Encoder:
    from napari_construct.encoders.networks.conch import load_conch
    from napari_construct.encoders.networks.conch_text import TOKENIZER_FILES, find_tokenizer

    path = _needed(entry, weights)
    beside = find_tokenizer(path)
    return load_conch(path, tokenizer=beside or files.get(TOKENIZER_FILES[0]))


def _mix_transformer(entry: EncoderEntry, weights: Path | None, _: _Files) -> Encoder:
    from napari_construct.encoders.networks.mix_transformer import load_mix_transformer

    return load_mix_transformer(entry.model or entry.id, _needed(entry, weights))


def _timm(entry: EncoderEntry, weights: Path | None, files: _Files) -> Encoder:
    from napari_construct.encoders.networks.timm_vit import load_timm_vit

    return load_timm_vit(entry, weights, config=files.get("config.json"))


def _open_clip(entry: EncoderEntry, weights: Path | None, files: _Files) -> Encoder:
    from napari_construct.encoders.networks.open_clip_files import load_open_clip

    return load_open_clip(entry, weights, config=files.get("open_clip_config.json"))


def _needed(entry: EncoderEntry, weights: Path | None) -> Path:
    if weights is None:
        raise EncoderError(
            f"{entry.id}: expected a file of weights, got none; its entry names no files, name one yourself"
        )
    return weights


def _refuse_weights(entry: EncoderEntry, weights: Path | None, why: str) -> None:
    if weights is not None:
        raise EncoderError(f"{entry.id}: expected no file of weights, got one; {why}")


_LOADERS: Final[dict[Loader, _Load]] = {
    "tiny": _tiny,
    "structure": _structure,
    "mini": _mini,
    "lite": _lite,
    "untrained": _untrained,
    "conch": _conch,
    "mix_transformer": _mix_transformer,
    "timm": _timm,
    "open_clip": _open_clip,
}
