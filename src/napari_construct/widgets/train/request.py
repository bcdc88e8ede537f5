"""The request for a training run, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_construct.classes import ClassTable
from napari_construct.training.config.config import TrainingConfig


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """One run.

    Attributes
    ----------
    data : Path
        Folder or table of the patches.
    classes : ClassTable
        In the order of the model's outputs and of mask values.
    val : Path or None
        Validation data.
    output : Path
        The checkpoint's file.
    config : TrainingConfig
        The settings.
    device : str
        The device.
    resume : bool
        Whether to resume a stopped run.
    replace : bool
        Whether an existing model may be replaced.
    checked : frozenset of Path
        Patches that were read without an error.
    """

    data: Path
    classes: ClassTable
    val: Path | None
    output: Path
    config: TrainingConfig
    device: str = "auto"
    resume: bool = False
    replace: bool = False
    checked: frozenset[Path] = frozenset()
