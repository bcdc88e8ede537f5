"""What a training run is asked for with, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from napari_construct.classes import ClassTable
from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.training.config.config import TrainingConfig

STATE_SUFFIX: Final = ".construct.training"
"""As in ``training.loop.state``, which loads torch."""


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
        Every number.
    device : str
        Where to train.
    resume : bool
        Whether to go on where a run stopped.
    replace : bool
        Whether a model of that name may be replaced.
    checked : frozenset of Path
        Patches that are known to be readable.
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


def state_of(output: Path) -> Path:
    """Where a stopped run of this checkpoint keeps its state."""
    return output.with_name(output.name.removesuffix(SUFFIX) + STATE_SUFFIX)


def changes(value: BaseModel, default: BaseModel) -> dict[str, Any]:
    """Fields that differ from a default, parts of parts included, as JSON holds them."""
    found: dict[str, Any] = {}
    plain = value.model_dump(mode="json")
    for name in type(value).model_fields:
        new, old = getattr(value, name), getattr(default, name)
        if new == old:
            continue
        part = isinstance(new, BaseModel) and isinstance(old, BaseModel)
        found[name] = changes(new, old) if part else plain[name]
    return found
