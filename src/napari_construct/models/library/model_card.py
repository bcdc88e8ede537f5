"""The model card of a checkpoint."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from napari_construct.encoders.catalogue.lookup import find_entry
from napari_construct.encoders.entries import EncoderEntry
from napari_construct.exceptions import EncoderError
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.library.markdown import address, code, front_matter, numbers, table, text
from napari_construct.reading.foreign import printable

_WHAT = (
    "Tissue segmentation trained from image-level labels with napari-construct. For research; not a "
    "medical device."
)
NO_NUMBERS = "No scores are stored in this checkpoint."
NO_RECORD = "No training record is stored in this checkpoint."


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
        front_matter(licence, "histopathology, weakly-supervised, napari"),
        f"# {text(name)}\n",
        f"{_WHAT}\n",
        table(_facts(checkpoint, name, sha256, licence)),
        "\n## Classes\n",
        "| label | class | description | colour |\n|---|---|---|---|",
        *(
            f"| {i + 1} | {text(c.name)} | {text(c.prompt or c.name)} | `{c.colour}` |"
            for i, c in enumerate(checkpoint.classes)
        ),
        "\n## Encoder\n",
        _encoder(entry, checkpoint),
        "\n## Scores\n",
        table(numbers(checkpoint.metrics)) if checkpoint.metrics else NO_NUMBERS,
        "\n## Training\n",
        table(numbers(checkpoint.training)) if checkpoint.training else NO_RECORD,
        "\n## Use\n",
        f"```\nnapari-construct models import {shlex.quote(printable(name) + '.construct')}",
        f"napari-construct segment IMAGE --model {shlex.quote(printable(name))}\n```\n",
    ]
    return "\n".join(parts)


def _facts(checkpoint: Checkpoint, name: str, sha256: str, licence: str) -> Iterator[tuple[str, str]]:
    yield "file", f"{code(name + '.construct')}, SHA-256 `{sha256}`"
    yield "licence of this file", text(licence)
    yield "preset", text(checkpoint.config.preset)
    yield "resolution", "unknown" if checkpoint.mpp is None else f"{checkpoint.mpp:g} um per pixel"
    yield (
        "encoder",
        f"{code(checkpoint.config.encoder)}, SHA-256 of its state {code(checkpoint.encoder_hash)}",
    )
    yield "encoder weights in this file", "yes, trained" if checkpoint.encoder_state else "none"
    yield "fingerprint of the training data", code(checkpoint.data_fingerprint or "unknown")
    yield "calibrated temperature", f"{checkpoint.calibration.temperature:g}"
    yield "made with", ", ".join(text(f"{k} {v}") for k, v in sorted(checkpoint.versions.items()))


def _encoder(entry: EncoderEntry | None, checkpoint: Checkpoint) -> str:
    if entry is None:
        return (
            f"{code(checkpoint.config.encoder)} is not in the encoder catalogue of the computer that wrote "
            "this card. Ask the model's author for its source."
        )
    how = (
        code(f"napari-construct models download {entry.id}") if entry.files else "comes with napari-construct"
    )
    gate = f" Request access at {address(entry.source)}." if entry.gated else ""
    return (
        f"{text(entry.note)} Licence: {text(entry.licence)}. {text(entry.licence_terms)}{gate}\n\n"
        f"How to get it: {how}.\n\nReference: {text(entry.citation)}"
    )


def _entry(encoder_id: str) -> EncoderEntry | None:
    try:
        return find_entry(encoder_id)
    except EncoderError:
        return None
