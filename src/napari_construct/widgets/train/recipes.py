"""A training run as a Python script or as a command; both give the checkpoint of the widget."""

from __future__ import annotations

import shlex
from typing import Final

from napari_construct.classes import ClassTable
from napari_construct.data.masks import holds_masks
from napari_construct.reading.name_lists import names_as_text
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.parts.recipe_words import arguments
from napari_construct.widgets.runs.changes import arguments_of_run, changes, words_of_run
from napari_construct.widgets.train.request import TrainRequest

_OPTIONS: Final = (
    "epochs",
    "batch_size",
    "sampling",
    "image_size",
    "seed",
    "patience",
    "average_from",
    "precision",
)
"""Settings with an option of the command; the others need ``--settings``."""


def train_as_python(request: TrainRequest) -> str:
    """A script; its ``checkpoint`` is that of the run, in the same file."""
    config = request.config.model_dump(exclude_defaults=True)
    classes = _classes(request.classes)
    tissue = "TissueClass, " if "TissueClass" in classes else ""
    lines = [
        f"from napari_construct import ClassTable, {tissue}TrainingConfig, load_dataset, train",
        "",
        f"classes = {classes}",
        f"config = TrainingConfig({arguments(config)})",
        f"dataset = load_dataset({str(request.data)!r}, class_names=classes.names)",
        f"val = {_validation(request)}",
        "checkpoint = train(",
        f"    dataset, config, classes=classes, val=val, {arguments_of_run(request)}, progress=True",
        ")",
    ]
    return "\n".join(lines) + "\n"


def train_as_command(request: TrainRequest) -> str:
    """A command that trains the same model."""
    words = ["napari-construct", "train", str(request.data), "--output", str(request.output)]
    if request.val is not None:
        words += ["--val", str(request.val)]
    plain = ClassTable.from_names(request.classes.names)
    table = request.classes.model_dump_json(exclude_defaults=True)
    words += ["--classes", names_as_text(plain.names) if request.classes == plain else table]
    words += words_of_run(changes(request.config, TrainingConfig()), _OPTIONS, request)
    return shlex.join(words) + "\n"


def _classes(table: ClassTable) -> str:
    if table == ClassTable.from_names(table.names):
        return f"ClassTable.from_names({list(table.names)!r})"
    rows = ", ".join(f"TissueClass({arguments(t.model_dump(exclude_defaults=True))})" for t in table)
    return f"ClassTable(classes=({rows},))"


def _validation(request: TrainRequest) -> str:
    if request.val is None:
        return "None"
    if holds_masks(request.val):
        return repr(str(request.val))
    return f"load_dataset({str(request.val)!r}, class_names=classes.names)"
