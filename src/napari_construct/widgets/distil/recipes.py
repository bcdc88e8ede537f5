"""A distillation as a Python script or as a command; both give the checkpoint of the widget."""

from __future__ import annotations

import json
import shlex
from typing import Any, Final

from napari_construct.crossmodal.config import NO_KD, DistilConfig
from napari_construct.data.channels.file_names import NONE
from napari_construct.reading.name_lists import names_as_text
from napari_construct.widgets.distil.request import (
    FOLDER,
    LAYER,
    MODEL,
    DistilRequest,
    FileImages,
    LayerImages,
)
from napari_construct.widgets.parts.recipe_words import arguments
from napari_construct.widgets.runs.changes import arguments_of_run, changes

_OPTIONS: Final = ("student", "patch", "steps", "batch_size", "truth_images", "seed")
"""Settings with an option of the command of the same name; most of the others need ``--settings``."""


def distil_as_python(request: DistilRequest) -> str:
    """A script; its ``checkpoint`` is that of the run, in the same file."""
    names = {"DistilConfig", "distil", "hold_out"}
    lines = []
    images, teacher = request.images, request.teacher
    if isinstance(images, FileImages):
        names.add("open_cells")
        mpp = "" if images.mpp is None else f", mpp={images.mpp!r}"
        files = "" if images.channel_files is None else f", channel_files={images.channel_files!r}"
        lines.append(f"cells = open_cells({str(images.path)!r}{mpp}{files})")
    else:
        names.add("array_cells")
        lines += _layers_as_python(images)
    if teacher is None:
        lines.append("teacher = None")
    elif teacher.kind == LAYER:
        names.add("array_teacher")
        source = f"viewer.layers[{teacher.name!r}].data"
        lines.append(f"teacher = array_teacher({source}, cells, name={teacher.name!r})")
    else:
        names.add("load_teacher")
        weights = f", {teacher.path!r}" if teacher.path else ""
        more = "" if teacher.foreground is None else f", foreground={teacher.foreground!r}"
        lines.append(f"teacher = load_teacher({teacher.kind!r}{weights}, device={request.device!r}{more})")
    config = request.config.model_dump(exclude_defaults=True)
    lines += [
        f"config = DistilConfig({arguments(config)})",
        f"train, val = hold_out(cells, {request.share!r})",
        "checkpoint = distil(",
        f"    train, teacher, config, val=val, {arguments_of_run(request)}, progress=True",
        ")",
    ]
    return "\n".join([f"from napari_construct import {', '.join(sorted(names))}", "", *lines]) + "\n"


def distil_as_command(request: DistilRequest) -> str:
    """A command that trains the same model; empty for layers, which no command can see."""
    images, teacher = request.images, request.teacher
    if not isinstance(images, FileImages) or (teacher is not None and teacher.kind == LAYER):
        return ""
    words = ["napari-construct", "distill", str(images.path), "--output", str(request.output)]
    if teacher is not None:
        own = teacher.kind in (FOLDER, MODEL)
        words += ["--teacher", teacher.path if own else teacher.kind]
        words += ["--weights", teacher.path] if teacher.path and not own else []
        if teacher.foreground is not None:
            words += ["--teacher-foreground", ",".join(map(str, teacher.foreground))]
    if images.mpp is not None:
        words += ["--mpp", repr(images.mpp)]
    if images.channel_files is not None:
        words += ["--channel-files", names_as_text(images.channel_files) or NONE]
    words += ["--val-share", repr(request.share)]
    words += _settings(request)
    if request.device != "auto":
        words += ["--device", request.device]
    if request.resume:
        words.append("--resume")
    elif request.replace:
        words.append("--overwrite")
    return shlex.join(words) + "\n"


def _settings(request: DistilRequest) -> list[str]:
    rest: dict[str, Any] = changes(request.config, DistilConfig())
    words = []
    for name in _OPTIONS:
        if rest.get(name) is not None:
            words += [f"--{name.replace('_', '-')}", str(rest.pop(name))]
    if rest.pop("pretrained", False):
        words.append("--pretrained")
    if request.config.terms == NO_KD:
        words.append("--no-kd")
        rest.pop("terms", None)
    return words + (["--settings", json.dumps(rest)] if rest else [])


def _layers_as_python(images: LayerImages) -> list[str]:
    channels = ", ".join(f"{name!r}: {images.sources[name]}" for name in images.channels)
    truth = "" if images.truth is None else f", {images.sources['']}"
    return [
        f"channels = {{{channels}}}  # in napari's console",
        f"cells = array_cells(channels{truth}, name={images.name!r}, mpp={images.mpp!r})",
    ]
