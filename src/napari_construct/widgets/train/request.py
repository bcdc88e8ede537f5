"""The request for a training run, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

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


def changes(value: BaseModel, default: BaseModel) -> dict[str, Any]:
    """Fields that differ from a default, also inside parts, as JSON values."""
    found: dict[str, Any] = {}
    plain = value.model_dump(mode="json")
    for name in type(value).model_fields:
        new, old = getattr(value, name), getattr(default, name)
        if new == old:
            continue
        part = isinstance(new, BaseModel) and isinstance(old, BaseModel)
        found[name] = changes(new, old) if part else plain[name]
    return found
