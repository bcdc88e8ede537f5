"""The user's own models, wherever their files lie: trained, opened or saved in any folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_construct.events import Event, Steps
from napari_construct.exceptions import CheckpointError
from napari_construct.models.checkpoints.locations import (
    SUFFIX,
    bundled_models,
    imported_models,
    resolve_model,
)
from napari_construct.models.checkpoints.summary import ModelSummary, summarise
from napari_construct.widgets.parts.memory import Memory

_MEMORY: Final = "known models"
_LONGEST: Final = 50
"""Paths that are remembered."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that can be chosen.

    Attributes
    ----------
    value : str
        Name of a bundled or imported model, or path of a checkpoint.
    path : Path
        Its file.
    summary : ModelSummary
        What it is for; ``problem`` says why it cannot be used.
    """

    value: str
    path: Path
    summary: ModelSummary

    @property
    def usable(self) -> bool:
        return not self.summary.problem


def remember_model(path: str | Path) -> None:
    """Offer a checkpoint in every chooser from now on, also in later sessions; the last one comes first."""
    place = str(Path(path).absolute())
    rest = [one for one in own_paths() if one != place]
    Memory(_MEMORY).keep({"paths": [place, *rest][:_LONGEST]})


def is_student_file(model: str) -> bool:
    """Whether a name or path is that of a model for channels; the head of its file is read once."""
    try:
        return bool(summarise(resolve_model(model)).channels)
    except CheckpointError:  # whoever loads it says so
        return False


def own_paths() -> list[str]:
    """Remembered paths, the last one first; their files may be gone."""
    found = Memory(_MEMORY).load().get("paths", [])
    return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []


def models_steps(paths: Sequence[str]) -> Steps[tuple[KnownModel, ...]]:
    """Look at the models on this computer and at these paths, in a worker's thread: a disk may be slow.

    Files of remembered paths that are gone are left out; damaged ones are not.
    """
    yield Event("looking for models", 0, 1)
    named = bundled_models() | imported_models()
    known = [KnownModel(name, path, summarise(path)) for name, path in named.items()]
    inside = {path.absolute() for path in named.values()}
    for text in paths:
        path = Path(text)
        if path.suffix == SUFFIX and path.absolute() not in inside and path.is_file():
            known.append(KnownModel(text, path, summarise(path)))
    return tuple(known)
