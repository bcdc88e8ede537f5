"""What a trained model is for, in words; read from the head of its file, without torch and its weights.

The words stand in a card beside the file (``NAME.json`` beside ``NAME.construct``) or, without one, follow
from what the checkpoint records.
"""

from __future__ import annotations

import calendar
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_construct.exceptions import ConstructError
from napari_construct.models.checkpoints.head import (
    CHECKPOINT,
    UNREADABLE,
    channel_names,
    is_for_channels,
    read_head,
)
from napari_construct.models.checkpoints.taught_words import taught_by
from napari_construct.reading.foreign import harmless
from napari_construct.reading.places import written
from napari_construct.reading.regular import open_regular
from napari_construct.reading.texts.json import json_or_none

WATCHED: Final = "It says when an image is unlike its training images (out of distribution)."
UNWATCHED: Final = "It does not say when an image is unlike its training images (out of distribution)."

_MAX_CARD: Final = 2**16
_MAX_TEXT: Final = 300
_NAMED: Final = 4
"""Classes that are named; more make the line too long."""
_VALIDATED: Final = {
    "val_miou": "mIoU",
    "val_dice": "Dice",
    "val_iou": "IoU",
    "val_boundary_f1": "boundary F1",
    "val_ap50": "AP50",
}
"""Scores of the last validation, as metrics of a checkpoint, and their names for people."""
_CHANNEL_LIMITS: Final = (
    "It reads channels of fluorescence, not stained tissue.",
    "Cells unlike those of its training may be missed; scores hold for images like its own.",
)
_KEPT: Final = 200
"""Files that are remembered."""


@dataclass(frozen=True, slots=True)
class Score:
    """A score of a model.

    Attributes
    ----------
    name : str
        Of the measure, "mIoU".
    value : float
        The score.
    on : str
        What was scored; empty if it is not known.
    images : int or None
        Number of scored images.
    spread : str
        Mean and spread over several trainings, where they are known.
    """

    name: str
    value: float
    on: str = ""
    images: int | None = None
    spread: str = ""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """What a model is for, how good it is, and what it cannot do.

    Attributes
    ----------
    purpose : str
        One line, "Lymph node H&E, 3 slides, research only"; empty of a file that cannot be used.
    classes : tuple of str
        Names.
    scores : tuple of Score
        Where they are known.
    limits : tuple of str
        Sentences.
    problem : str
        Why the file cannot be used; empty if nothing is wrong with its head.
    channels : tuple of str
        Of a model for channels of fluorescence, which has no classes; empty of those for stained tissue.
    """

    purpose: str = ""
    classes: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    limits: tuple[str, ...] = ()
    problem: str = ""
    channels: tuple[str, ...] = ()


_State = tuple[str, tuple[int, int] | None, tuple[int, int] | None]
_known: Final[dict[_State, ModelSummary]] = {}
_lock: Final = threading.Lock()


def summarise(path: Path) -> ModelSummary:
    """The summary of a checkpoint; a damaged or missing one says so. A file is read again if it changed."""
    key = (str(path), written(path), written(path.with_suffix(".json")))
    with _lock:
        if key in _known:
            return _known[key]
    found = _summary(path)
    with _lock:
        while len(_known) >= _KEPT:
            del _known[next(iter(_known))]
        _known[key] = found
    return found


def _summary(path: Path) -> ModelSummary:
    try:
        manifest = read_head(path, CHECKPOINT)
        if is_for_channels(manifest):
            return _of_channels(manifest, path)
        classes = tuple(str(one["name"]) for one in manifest["classes"]["classes"])
    except UNREADABLE as error:
        return ModelSummary(problem=_text(error) or "It cannot be read.")
    training, metrics = _mapping(manifest.get("training")), _mapping(manifest.get("metrics"))
    card = _card(path.with_suffix(".json"))
    patches = training.get("patches")
    return ModelSummary(
        purpose=_text(card.get("purpose", "")) or _own(classes, patches, taught_by(training), path),
        classes=classes,
        scores=_scores(card.get("scores")) or _validated(metrics),
        limits=(
            *(_sentences(card.get("limits")) or _usual_limits(patches)),
            WATCHED if isinstance(manifest.get("guard"), dict) else UNWATCHED,
        ),
    )


def _of_channels(manifest: Mapping[str, Any], path: Path) -> ModelSummary:
    """E.g. "Own model: cells in one channel (nuclear); resnet18, 30 Nov 2026"."""
    card, metrics = _card(path.with_suffix(".json")), _mapping(manifest.get("metrics"))
    names, encoder = channel_names(manifest), _text(manifest["config"].get("encoder", "unknown encoder"))
    several = f"{len(names)} channels" if len(names) > 1 else "one channel"
    own = f"Own model: cells in {several} ({_text(', '.join(names))}); {encoder}, {_date(path)}"
    return ModelSummary(
        purpose=_text(card.get("purpose", "")) or own,
        scores=_scores(card.get("scores")) or _validated(metrics),
        limits=_sentences(card.get("limits")) or _CHANNEL_LIMITS,
        channels=names,
    )


def _own(classes: tuple[str, ...], patches: object, taught: str, path: Path) -> str:
    """E.g. "Own model: gland, stroma; 85 patches, 29 Nov 2026", or what it was taught by."""
    names = ", ".join(classes[:_NAMED]) + (f" and {len(classes) - _NAMED} more" if classes[_NAMED:] else "")
    parts = [f"{patches} patch{'es' if patches != 1 else ''}"] if isinstance(patches, int) else []
    parts = [f"taught by {taught}"] if taught else parts
    return f"Own model: {_text(names)}; {', '.join([*parts, _date(path)])}"


def _date(path: Path) -> str:
    day = time.localtime(path.stat().st_mtime)
    return f"{day.tm_mday} {calendar.month_abbr[day.tm_mon]} {day.tm_year}"


def _scores(found: object) -> tuple[Score, ...]:
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    return tuple(
        Score(
            _text(row.get("name", "")),
            float(row["value"]),
            _text(row.get("on", "")),
            row["images"] if isinstance(row.get("images"), int) else None,
            _text(row.get("spread", "")),
        )
        for row in rows
        if isinstance(row.get("value"), int | float)
    )


def _validated(metrics: Mapping[str, Any]) -> tuple[Score, ...]:
    """The score of the last validation while it was trained."""
    on = "the validation images of its training"
    found = ((name, metrics.get(key)) for key, name in _VALIDATED.items())
    return tuple(Score(name, float(value), on) for name, value in found if isinstance(value, int | float))


def _usual_limits(patches: object) -> tuple[str, ...]:
    trained = [f"Trained on {patches} patches."] if isinstance(patches, int) else []
    return (
        *trained,
        "Tissue that was not among them is not recognised; scores hold for images like its own.",
    )


def _sentences(found: object) -> tuple[str, ...]:
    return tuple(map(_text, found)) if isinstance(found, list) else ()


def _card(path: Path) -> dict[str, Any]:
    try:
        with open_regular(path, "a model card") as stream:
            found = json_or_none(stream.read(_MAX_CARD))
    except (ConstructError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _text(found: object) -> str:
    return harmless(" ".join(str(found).split()), _MAX_TEXT)
