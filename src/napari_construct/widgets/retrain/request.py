"""What Correct and retrain asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_construct.classes import ClassTable
from napari_construct.teaching.retraining.settings import RetrainSettings
from napari_construct.teaching.strokes import Strokes


@dataclass(frozen=True, slots=True, eq=False)
class RetrainRequest:
    """One retraining.

    Attributes
    ----------
    model : str
        Name or path of the old model.
    strokes : tuple of Strokes
        Corrections, in the values of ``classes``.
    classes : ClassTable
        Their classes.
    replay : Path or None
        Folder or table of old patches.
    config : RetrainSettings
        The settings.
    output : Path
        File of the new model.
    device, resume, replace
        As of every run.
    saved : Path or None
        Folder in which exactly these corrections are saved.
    """

    model: str
    strokes: tuple[Strokes, ...]
    classes: ClassTable
    replay: Path | None
    config: RetrainSettings
    output: Path
    device: str = "auto"
    resume: bool = False
    replace: bool = False
    saved: Path | None = None
