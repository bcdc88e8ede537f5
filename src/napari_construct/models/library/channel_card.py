"""The model card of a model for channels of fluorescence."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from napari_construct.models.checkpoints.channel_checkpoint import ChannelCheckpoint
from napari_construct.models.library.markdown import code, front_matter, numbers, table, text
from napari_construct.models.library.model_card import NO_NUMBERS, NO_RECORD
from napari_construct.models.network.channel_encoders import ENCODERS
from napari_construct.reading.foreign import printable

_WHAT: Final = (
    "Segmentation of cells from channels of fluorescence, trained with napari-construct. For research; not a "
    "medical device."
)


def channel_card(checkpoint: ChannelCheckpoint, name: str, sha256: str, *, licence: str = "unknown") -> str:
    """Markdown with the front matter that the hub reads.

    Parameters
    ----------
    checkpoint : ChannelCheckpoint
        The model.
    name, sha256, licence
        As of :func:`~napari_construct.models.library.model_card.model_card`.
    """
    title = ENCODERS[checkpoint.config.encoder].title
    parts = [
        front_matter(licence, "fluorescence, cell-segmentation, napari"),
        f"# {text(name)}\n",
        f"{_WHAT}\n",
        table(_facts(checkpoint, name, sha256, licence)),
        "\n## Channels\n",
        "| input | channel |\n|---|---|",
        *(f"| {i} | {text(channel)} |" for i, channel in enumerate(checkpoint.channels)),
        "\n## Encoder\n",
        f"{title}, trained, in this file. It started from: {text(checkpoint.encoder_licence)}",
        "\n## Scores\n",
        table(numbers(checkpoint.metrics)) if checkpoint.metrics else NO_NUMBERS,
        "\n## Training\n",
        table(numbers(checkpoint.training)) if checkpoint.training else NO_RECORD,
        "\n## Use\n",
        f"```\nnapari-construct models import {shlex.quote(printable(name) + '.construct')}",
        f"napari-construct segment IMAGE --model {shlex.quote(printable(name))}\n```\n",
    ]
    return "\n".join(parts)


def _facts(checkpoint: ChannelCheckpoint, name: str, sha256: str, licence: str) -> Iterator[tuple[str, str]]:
    config, diameter = checkpoint.config, checkpoint.object_diameter
    yield "file", f"{code(name + '.construct')}, SHA-256 `{sha256}`"
    yield "licence of this file", text(licence)
    yield "resolution", "unknown" if checkpoint.mpp is None else f"{checkpoint.mpp:g} um per pixel"
    yield "diameter of its cells", "unknown" if diameter is None else f"{diameter:g} pixels"
    yield "normalisation", f"percentiles {config.low:g} and {config.high:g} of each channel become 0 and 1"
    yield "fingerprint of the training data", code(checkpoint.data_fingerprint or "unknown")
    yield "made with", ", ".join(text(f"{k} {v}") for k, v in sorted(checkpoint.versions.items()))
