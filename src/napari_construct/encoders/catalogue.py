"""The catalogue: which encoders there are, what they cost and allow, and how to make one.

Reading the catalogue is cheap; a library is imported when the first encoder that needs it is made.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from napari_construct.exceptions import EncoderError
from napari_construct.types import PathLike

if TYPE_CHECKING:
    from napari_construct.encoders.protocol import Encoder

Role = Literal["student", "teacher"]
CONCH_REPOSITORIES: Final = ("MahmoodLab/conch", "MahmoodLab/CONCH")
CONCH_FILE: Final = "pytorch_model.bin"


@dataclass(frozen=True, slots=True)
class EncoderEntry:
    """What is known of an encoder before it is made.

    Attributes
    ----------
    id : str
        Name; an id that ends with ":" stands for all that begin with it.
    role : {"student", "teacher"}
        What the published network uses it as; any encoder can serve as both.
    licence : str
        Of the weights.
    note : str
        One sentence for a menu.
    size_mb : int or None
        Size of the weights, where it is one.
    text : bool
        Whether it embeds descriptions, from which prototypes can start.
    gated : bool
        Whether access to the weights must be asked for.
    download : bool
        Whether weights are fetched on first use, where no file is named.
    """

    id: str
    role: Role
    licence: str
    note: str
    size_mb: int | None
    make: Callable[[str, PathLike | None], Encoder]
    text: bool = False
    gated: bool = False
    download: bool = False

    def matches(self, encoder_id: str) -> bool:
        if self.id.endswith(":"):
            return encoder_id.startswith(self.id) and len(encoder_id) > len(self.id)
        return encoder_id == self.id


def _tiny(encoder_id: str, weights: PathLike | None) -> Encoder:
    from napari_construct.encoders.tiny import TinyEncoder

    if weights is not None:
        raise EncoderError("tiny: expected no file of weights, got one; its weights are fixed")
    return TinyEncoder(encoder_id=encoder_id)


def _mini(_: str, weights: PathLike | None) -> Encoder:
    from napari_construct.encoders.mini import load_mini

    return load_mini(weights)


def _structure(_: str, weights: PathLike | None) -> Encoder:
    from napari_construct.encoders.structure import StructureTeacher

    if weights is not None:
        raise EncoderError("structure: expected no file of weights, got one; it has none")
    return StructureTeacher()


def _conch(_: str, weights: PathLike | None) -> Encoder:
    from napari_construct.encoders.conch import load_conch

    return load_conch(weights if weights is not None else _downloaded_conch())


def _mix_transformer(encoder_id: str, weights: PathLike | None) -> Encoder:
    from napari_construct.encoders.mix_transformer import load_mix_transformer

    return load_mix_transformer(encoder_id, weights)


def _timm(encoder_id: str, weights: PathLike | None) -> Encoder:
    from napari_construct.encoders.timm_vit import load_timm_vit

    return load_timm_vit(encoder_id, weights)


def _open_clip(encoder_id: str, weights: PathLike | None) -> Encoder:
    from napari_construct.encoders.open_clip import load_open_clip

    return load_open_clip(encoder_id, weights)


def _downloaded_conch() -> Path:
    """CONCH's file in the hub's own cache, where the user downloaded it before."""
    from huggingface_hub import try_to_load_from_cache

    for repository in CONCH_REPOSITORIES:
        found = try_to_load_from_cache(repository, CONCH_FILE)
        if isinstance(found, str):
            return Path(found)
    raise EncoderError(
        "conch: expected CONCH's weights, got none on this computer; they are gated (CC-BY-NC-ND 4.0): "
        f"ask for access at https://huggingface.co/{CONCH_REPOSITORIES[0]}, download "
        f"{CONCH_FILE}, and name the file"
    )


_MIT_SIZES: Final = {"mit_b0": 14, "mit_b1": 55, "mit_b2": 99, "mit_b3": 179, "mit_b4": 246, "mit_b5": 328}

CATALOGUE: Final = (
    EncoderEntry("mini", "student", "MIT", "Bundled; runs on a laptop without a download.", 3, _mini),
    EncoderEntry(
        "structure", "teacher", "MIT",
        "Stains and their gradients at four strides; needs no weights.", 0, _structure,
    ),
    EncoderEntry(
        "conch", "student", "CC-BY-NC-ND-4.0",
        "The published student, a vision-language model of pathology; your own copy of the weights.",
        802, _conch, text=True, gated=True,
    ),
    *(
        EncoderEntry(
            name, "teacher", "NVIDIA Source Code License (research and evaluation only)",
            "SegFormer's encoder trained on ImageNet; mit_b1 is the published teacher.",
            size, _mix_transformer, download=True,
        )
        for name, size in _MIT_SIZES.items()
    ),
    EncoderEntry(
        "open_clip:", "student", "see the model's page",
        "Image-text models, e.g. open_clip:hf-hub:wisdomik/QuiltNet-B-16 (MIT).",
        None, _open_clip, text=True, download=True,
    ),
    EncoderEntry(
        "timm:", "student", "see the model's page",
        "Vision transformers, e.g. timm:vit_small_patch14_dinov2.lvd142m.",
        None, _timm, download=True,
    ),
    EncoderEntry("tiny", "student", "MIT", "Random weights, for tests and dry runs.", 1, _tiny),
)  # fmt: skip


def find_entry(encoder_id: str) -> EncoderEntry:
    """The catalogue's entry for an id.

    Raises
    ------
    EncoderError
        If there is none; the message names close ones.
    """
    for entry in CATALOGUE:
        if entry.matches(encoder_id):
            return entry
    known = [entry.id + "NAME" * entry.id.endswith(":") for entry in CATALOGUE]
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
        "mini", "tiny", "conch", "mit_b0" to "mit_b5", "timm:NAME" or "open_clip:ID".
    weights : path, optional
        File of weights; by default the bundled, cached or, on first use, downloaded ones (see
        :class:`EncoderEntry`).

    Raises
    ------
    EncoderError
        If the id is unknown, or the weights are absent, damaged or another model's.
    """
    from napari_construct.encoders.protocol import freeze

    encoder = find_entry(encoder_id).make(encoder_id, weights)
    freeze(encoder)  # type: ignore[arg-type]
    return encoder


def encoder_hash(encoder: Encoder) -> str:
    """SHA-256 over names, types, shapes and values of an encoder's state, in hexadecimal.

    Independent of device and memory layout; a checkpoint stores it to recognise its encoder.
    """
    return hashlib.sha256(b"".join(_digests(encoder))).hexdigest()


def _digests(encoder: Encoder) -> Iterator[bytes]:
    import torch

    state = encoder.state_dict()  # type: ignore[attr-defined]
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        header = f"{name}|{value.dtype}|{tuple(value.shape)}|".encode()
        data = value.reshape(-1).view(torch.uint8).numpy()
        yield hashlib.sha256(header + b"|").digest() + hashlib.sha256(data).digest()
