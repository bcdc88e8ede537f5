"""The model card of a checkpoint."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from napari_construct.encoders.catalogue.lookup import find_entry
from napari_construct.encoders.entries import EncoderEntry
from napari_construct.exceptions import EncoderError
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.reading.foreign import harmless, printable

LONGEST_TEXT: Final = 2000
"""Characters of a text of a checkpoint or catalogue."""

_MARKS: Final = re.compile(r"[\\`*_{}\[\]<>#|~!]")

_WHAT = (
    "Tissue segmentation trained from image-level labels with napari-construct. For research; not a "
    "medical device."
)
_NO_NUMBERS = "No scores are stored in this checkpoint."
_NO_RECORD = "No training record is stored in this checkpoint."


def model_card(checkpoint: Checkpoint, name: str, sha256: str, *, licence: str = "unknown") -> str:
    """Markdown with the front matter that the hub reads.

    Parameters
    ----------
    checkpoint : Checkpoint
        The model.
    name : str
        Of the model.
    sha256 : str
        Of its file.
    licence : str
        Of the checkpoint, as its author chose; "unknown" says so.
    """
    entry = _entry(checkpoint.config.encoder)
    parts = [
        _front_matter(licence),
        f"# {_text(name)}\n",
        f"{_WHAT}\n",
        _table(_facts(checkpoint, name, sha256, licence)),
        "\n## Classes\n",
        "| label | class | description | colour |\n|---|---|---|---|",
        *(
            f"| {i + 1} | {_text(c.name)} | {_text(c.prompt or c.name)} | `{c.colour}` |"
            for i, c in enumerate(checkpoint.classes)
        ),
        "\n## Encoder\n",
        _encoder(entry, checkpoint),
        "\n## Scores\n",
        _table(_numbers(checkpoint.metrics)) if checkpoint.metrics else _NO_NUMBERS,
        "\n## Training\n",
        _table(_numbers(checkpoint.training)) if checkpoint.training else _NO_RECORD,
        "\n## Use\n",
        f"```\nnapari-construct models import {shlex.quote(printable(name) + '.construct')}",
        f"napari-construct segment IMAGE --model {shlex.quote(printable(name))}\n```\n",
    ]
    return "\n".join(parts)


def _front_matter(licence: str) -> str:
    # a text in quotation marks cannot end the front matter or add to it
    shown = (
        licence.lower()
        if re.fullmatch(r"[\w.+-]{1,100}", licence)
        else json.dumps(harmless(licence)).replace("<", "\\u003c")
    )
    return (
        "---\n"
        f"license: {shown}\n"
        "library_name: napari-construct\n"
        "pipeline_tag: image-segmentation\n"
        "tags: [histopathology, weakly-supervised, napari]\n"
        "---\n"
    )


def _facts(checkpoint: Checkpoint, name: str, sha256: str, licence: str) -> Iterator[tuple[str, str]]:
    yield "file", f"{_code(name + '.construct')}, SHA-256 `{sha256}`"
    yield "licence of this file", _text(licence)
    yield "preset", _text(checkpoint.config.preset)
    yield "resolution", "unknown" if checkpoint.mpp is None else f"{checkpoint.mpp:g} um per pixel"
    yield (
        "encoder",
        f"{_code(checkpoint.config.encoder)}, SHA-256 of its state {_code(checkpoint.encoder_hash)}",
    )
    yield "encoder weights in this file", "yes, trained" if checkpoint.encoder_state else "none"
    yield "fingerprint of the training data", _code(checkpoint.data_fingerprint or "unknown")
    yield "calibrated temperature", f"{checkpoint.calibration.temperature:g}"
    yield "made with", ", ".join(_text(f"{k} {v}") for k, v in sorted(checkpoint.versions.items()))


def _encoder(entry: EncoderEntry | None, checkpoint: Checkpoint) -> str:
    if entry is None:
        return (
            f"{_code(checkpoint.config.encoder)} is not in the encoder catalogue of the computer that wrote "
            "this card. Ask the model's author for its source."
        )
    how = (
        _code(f"napari-construct models download {entry.id}")
        if entry.files
        else "comes with napari-construct"
    )
    gate = f" Request access at {_address(entry.source)}." if entry.gated else ""
    return (
        f"{_text(entry.note)} Licence: {_text(entry.licence)}. {_text(entry.licence_terms)}{gate}\n\n"
        f"How to get it: {how}.\n\nReference: {_text(entry.citation)}"
    )


def _entry(encoder_id: str) -> EncoderEntry | None:
    try:
        return find_entry(encoder_id)
    except EncoderError:
        return None


def _numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Numbers and short texts of a nested mapping; long lists are left out."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{name}: ")
        elif isinstance(value, float):
            yield _text(name), f"{value:.4g}"
        elif isinstance(value, bool | int | str) and len(str(value)) <= 200:
            yield _text(name), _text(str(value))
        elif isinstance(value, list | tuple) and len(value) <= 16 and not any(map(_nested, value)):
            texts = (f"{v:.4g}" if isinstance(v, float) else _text(str(v)) for v in value)
            yield _text(name), ", ".join(texts)


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _table(rows: Iterator[tuple[str, str]]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows)])


def _text(foreign: str) -> str:
    """A name or text that a checkpoint or catalogue holds, on one line and without Markdown or HTML in it."""
    text = harmless(" ".join(foreign.split()), LONGEST_TEXT)
    return _MARKS.sub(r"\\\g<0>", text).replace("&", "&amp;")


def _code(foreign: str) -> str:
    """The same as code."""
    return f"`{harmless(foreign, LONGEST_TEXT).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _address(source: str) -> str:
    return re.sub(r"[\s<>|\[\]()`]", "", harmless(source, LONGEST_TEXT))
