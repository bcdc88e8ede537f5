"""A retraining as a Python script or as a command; both read the saved corrections."""

from __future__ import annotations

import shlex
from typing import Final

from napari_construct.teaching.retraining.settings import RetrainSettings
from napari_construct.widgets.parts.recipe_words import arguments
from napari_construct.widgets.retrain.request import RetrainRequest
from napari_construct.widgets.runs.changes import arguments_of_run, changes, words_of_run

_OPTIONS: Final = ("steps", "batch_size", "held_out", "seed")
"""Settings with an option of the command; the others need ``--settings``."""


def retrain_as_python(request: RetrainRequest) -> str:
    """A script; its ``result`` is that of the run, in the same file. Empty without saved corrections."""
    if request.saved is None:
        return ""
    config = request.config.model_dump(exclude_defaults=True)
    names = ["RetrainSettings", "load_model", "read_corrections", "retrain"]
    lines, replay = [], "None"
    if request.replay is not None:
        names.insert(1, "load_dataset")
        lines.append(f"replay = load_dataset({str(request.replay)!r}, class_names=found.classes.names)")
        replay = "replay"
    script = [
        f"from napari_construct import {', '.join(names)}",
        "",
        f"model = {request.model!r}",
        f"found = read_corrections([{str(request.saved)!r}], load_model(model).classes)",
        f"settings = RetrainSettings({arguments(config)})",
        *lines,
        "result = retrain(",
        f"    model, found.strokes, settings, classes=found.classes, replay={replay},",
        f"    {arguments_of_run(request)}, progress=True,",
        ")",
        "print(result.words)",
    ]
    return "\n".join(script) + "\n"


def retrain_as_command(request: RetrainRequest) -> str:
    """A command that gives the same model; empty without saved corrections."""
    if request.saved is None:
        return ""
    words = ["napari-construct", "retrain", request.model, str(request.saved)]
    words += ["--output", str(request.output)]
    if request.replay is not None:
        words += ["--replay", str(request.replay)]
    words += words_of_run(changes(request.config, RetrainSettings()), _OPTIONS, request)
    return shlex.join(words) + "\n"
