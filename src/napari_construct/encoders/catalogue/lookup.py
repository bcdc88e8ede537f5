"""The catalogue: find an encoder and load it.

Reading the catalogue is cheap; a library is imported when an encoder needs it. Nothing is downloaded without
being asked: missing weights raise an error that says how to get them.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_construct.encoders.entries import EncoderEntry, WeightFile, read_entries
from napari_construct.encoders.folders import user_catalogues
from napari_construct.encoders.hub.store import located
from napari_construct.exceptions import EncoderError
from napari_construct.types import PathLike

if TYPE_CHECKING:
    from torch import Tensor

    from napari_construct.encoders.protocol import Encoder

HUB = "hf-hub:"
"""Start of the rest of a family's id that names a hub repository."""


@cache
def bundled_entries() -> tuple[EncoderEntry, ...]:
    """The encoders of this package."""
    with as_file(files("napari_construct.encoders.catalogue") / "catalogue.toml") as path:
        return read_entries(path)


def user_entries() -> tuple[EncoderEntry, ...]:
    """The encoders of the user's catalogue; read at every call.

    Raises
    ------
    EncoderError
        If the file is invalid, or an id is taken or repeated.
    """
    found: list[EncoderEntry] = []
    taken = {entry.id for entry in bundled_entries()}
    for path in user_catalogues():
        for entry in read_entries(path) if os.path.lexists(path) else ():
            if entry.id in taken:
                raise EncoderError(
                    f"{path}: encoder {entry.id}: id: expected a name that is not in use, got one that is; "
                    "choose another id"
                )
            taken.add(entry.id)
            found.append(entry)
    return tuple(found)


def entries() -> tuple[EncoderEntry, ...]:
    """All encoders, those of the user last."""
    return (*bundled_entries(), *user_entries())


def find_entry(encoder_id: str) -> EncoderEntry:
    """The entry of an id; of a family ("timm:...", "open_clip:...") the entry made for this one id.

    Raises
    ------
    EncoderError
        If there is none; the message suggests similar ids.
    """
    every = entries()
    for entry in every:
        if entry.matches(encoder_id):
            return _member(entry, encoder_id) if entry.family else entry
    known = [entry.id + "NAME" * entry.family for entry in every if not entry.hidden]
    close = difflib.get_close_matches(encoder_id, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else "choose one of these"
    raise EncoderError(
        f"expected an encoder of the catalogue ({', '.join(known)}), got {encoder_id!r}; {hint}"
    )


def create_encoder(encoder_id: str, *, weights: PathLike | None = None) -> Encoder:
    """Make an encoder, frozen and in eval mode.

    Parameters
    ----------
    encoder_id : str
        An id of :func:`entries`, for example "mini", "conch", "quiltnet-b-16", "mit_b1",
        "timm:NAME" or "open_clip:hf-hub:OWNER/NAME".
    weights : path, optional
        File of weights; by default those on this computer: bundled, downloaded, imported, or in the hub's
        cache.

    Raises
    ------
    EncoderError
        If the id is unknown, or the weights are absent, damaged or of another model.
    """
    from napari_construct.encoders.catalogue.loaders import load_encoder
    from napari_construct.encoders.protocol import freeze

    entry = find_entry(encoder_id)
    found = located(entry)
    if weights is not None:
        encoder = load_encoder(entry, Path(weights), dict(found.files) if found else {})
    elif entry.files and found is None:
        raise EncoderError(how_to_get(entry))
    else:
        encoder = load_encoder(entry, found.weights if found else None, dict(found.files) if found else {})
    freeze(encoder)  # type: ignore[arg-type]
    return encoder


def how_to_get(entry: EncoderEntry) -> str:
    """How to get weights that are not on this computer, in one sentence."""
    start = f"{entry.id}: expected its weights on this computer, got none; "
    download = f"napari-construct models download {entry.id}; in napari: Models"
    if entry.gated:
        return (
            f"{start}they are gated ({entry.licence}): ask for access at {entry.source}, then "
            f"download them ({download}), or name your own file of weights"
        )
    size = "" if entry.size is None else f"{entry.size / 1e6:.0f} MB, "
    return f"{start}download them ({download}; {size}{entry.licence}), or name a file of weights"


def encoder_hash(encoder: Encoder) -> str:
    """SHA-256 over names, types, shapes and values of an encoder's state, in hexadecimal.

    Independent of device and memory layout; a checkpoint stores it to recognise its encoder.
    """
    return state_hash(encoder.state_dict())  # type: ignore[attr-defined]


def state_hash(state: Mapping[str, Tensor]) -> str:
    """:func:`encoder_hash` of an encoder with this state."""
    return hashlib.sha256(b"".join(_digests(state))).hexdigest()


def _digests(state: Mapping[str, Tensor]) -> Iterator[bytes]:
    import torch

    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        header = f"{name}|{value.dtype}|{tuple(value.shape)}|".encode()
        data: Any = value.reshape(-1).view(torch.uint8).numpy()
        yield hashlib.sha256(header + b"|").digest() + hashlib.sha256(data).digest()


def _member(family: EncoderEntry, encoder_id: str) -> EncoderEntry:
    """The entry of one id of a family: where its files lie follows from the name."""
    name = encoder_id.removeprefix(family.id)
    changes: dict[str, object] = {"id": encoder_id, "model": name}
    if name.startswith(HUB):
        changes |= {"model": "", "repository": name.removeprefix(HUB), "files": _HUB_FILES[family.loader]}
    elif family.loader == "timm" and ":" not in name:
        changes |= {"repository": f"timm/{_tagged(name)}", "files": _TIMM_FILES}
    if "repository" in changes:
        changes["source"] = f"https://huggingface.co/{changes['repository']}"
    try:
        return EncoderEntry.model_validate(family.model_dump() | changes)
    except ValueError as error:
        raise EncoderError(
            f"{encoder_id}: expected an id such as {family.id}hf-hub:OWNER/NAME, got another form; "
            "correct the name"
        ) from error


def _tagged(name: str) -> str:
    """The full name in timm: "vit_tiny_patch16_224" stands for the default weights of that network."""
    import timm

    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models("vit_*"), 1)
        hint = f"did you mean {close[0]}?" if close else "its names begin with vit_"
        raise EncoderError(f"timm:{name}: expected a model that timm knows, got another name; {hint}")
    config = timm.get_pretrained_cfg(name)
    return f"{name}.{config.tag}" if "." not in name and config is not None and config.tag else name


_TIMM_FILES = (WeightFile(name="model.safetensors", alternative_names=("pytorch_model.bin",)),)
_HUB_FILES = {
    "timm": (*_TIMM_FILES, WeightFile(name="config.json")),
    "open_clip": (
        WeightFile(
            name="open_clip_model.safetensors",
            alternative_names=("open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin"),
        ),
        WeightFile(name="open_clip_config.json"),
    ),
}
