"""An evaluation as a Python script or as a command."""

from __future__ import annotations

import shlex
from pathlib import Path

from napari_construct.data.masks import mask_folders
from napari_construct.widgets.evaluate.cells.job import CellsRequest
from napari_construct.widgets.evaluate.job import FoldersRequest, LayersRequest
from napari_construct.widgets.evaluate.settings import CellEvaluation
from napari_construct.widgets.parts.recipe_words import arguments, device_argument
from napari_construct.widgets.parts.recipes import (
    cell_options,
    segment_arguments,
    segment_json,
    segment_options,
)


def folders(images: Path, masks: Path | None) -> tuple[Path, Path]:
    """The folders of images and masks, also if one folder holds both."""
    if masks is not None:
        return images, masks
    return mask_folders(images) or mask_folders(images / "test") or (images / "img", images / "mask")


def as_python(request: LayersRequest | FoldersRequest | CellsRequest) -> str:
    """A script with the same scores."""
    if isinstance(request, CellsRequest):
        return cells_as_python(request)
    return layers_as_python(request) if isinstance(request, LayersRequest) else folders_as_python(request)


def as_command(request: LayersRequest | FoldersRequest | CellsRequest) -> str:
    """A command of ``napari-construct`` with the same scores; empty for layers, which are in napari only."""
    if isinstance(request, CellsRequest):
        return cells_as_command(request)
    return "" if isinstance(request, LayersRequest) else folders_as_command(request)


def folders_as_python(request: FoldersRequest) -> str:
    """A script; its ``report`` holds the scores."""
    first, second = folders(request.images, request.masks)
    settings = request.settings
    reading = "" if settings.first_class == "auto" else f", first_class={settings.first_class}"
    return (
        "from napari_construct import SegmentSettings, evaluate\n"
        "\n"
        f"settings = SegmentSettings({segment_arguments(settings.segment)})\n"
        f"report = evaluate({str(first)!r}, {str(second)!r}, {settings.model!r}, settings, "
        f"ignore={list(settings.ignore)!r}{reading}{device_argument(settings.device)})\n"
        "print(report.to_markdown())\n"
    )


def folders_as_command(request: FoldersRequest) -> str:
    """A command with the same scores."""
    first, second = folders(request.images, request.masks)
    settings = request.settings
    words = ["napari-construct", "evaluate", str(first), str(second), "--model", settings.model]
    for value in settings.ignore:
        words += ["--ignore", str(value)]
    if settings.first_class != "auto":
        words += ["--first-class", str(settings.first_class)]
    segment = settings.segment
    words += segment_options(segment, settings.device)
    if segment.mpp is not None:
        words += ["--mpp", repr(segment.mpp)]
    words += segment_json(segment)
    return shlex.join(words) + "\n"


def cells_as_python(request: CellsRequest) -> str:
    """A script; its ``report`` holds the scores of a student."""
    asked, settings = request.student, request.settings
    size = {} if asked.cells.mpp is None else {"mpp": asked.cells.mpp}
    names, data = ["CellSettings", "evaluate_cells"], repr(str(request.data))
    if asked.labels != CellEvaluation().labels:
        names.append("open_cells")
        data = f"open_cells({data}, {arguments({**size, 'labels': asked.labels})})"
        size = {}
    changed = asked.cells.changed(mpp=None).model_dump(exclude_defaults=True)
    beside = {name: getattr(asked, name) for name in ("teacher", "baseline") if getattr(asked, name)}
    more = "".join(f", {arguments({name: value})}" for name, value in {**beside, **size}.items())
    return (
        f"from napari_construct import {', '.join(names)}\n"
        "\n"
        f"settings = CellSettings({arguments(changed)})\n"
        f"report = evaluate_cells({settings.model!r}, {data}, settings=settings"
        f"{more}{device_argument(settings.device)})\n"
        "print(report.to_markdown())\n"
    )


def cells_as_command(request: CellsRequest) -> str:
    """A command with the same scores of a student."""
    asked, settings = request.student, request.settings
    words = ["napari-construct", "evaluate", str(request.data), "--model", settings.model]
    for option in ("teacher", "baseline"):
        words += [f"--{option}", getattr(asked, option)] if getattr(asked, option) else []
    words += ["--labels", asked.labels] if asked.labels != CellEvaluation().labels else []
    words += ["--mpp", repr(asked.cells.mpp)] if asked.cells.mpp is not None else []
    return shlex.join(words + cell_options(asked.cells, settings.device)) + "\n"


def layers_as_python(request: LayersRequest) -> str:
    """Lines for napari's console, with the ``scores`` and ``matrix`` of the widget."""
    pair, settings = request.pair, request.settings
    first = settings.first_in_layers
    ignore = sorted(value - first for value in {*settings.ignore, *((0,) if first else ())})
    prediction, truth = (f"np.asarray(viewer.layers[{name!r}].data)" for name in pair.names)
    count = (
        repr(len(pair.classes))
        if pair.classes
        else f"max(int(prediction.max()), int(truth[~np.isin(truth, {ignore!r})].max(initial=0)) + 1)"
    )
    shift = f".astype(np.int64) - {first}"
    return (
        "import numpy as np\n"
        "\n"
        "from napari_construct import confusion_matrix, scores_from_confusion\n"
        "\n"
        "# in napari's console\n"
        f"prediction = {prediction}\n"
        f"truth = {truth}{shift}\n"
        f"matrix = confusion_matrix(truth, prediction, {count}, ignore={ignore!r})\n"
        "scores = scores_from_confusion(matrix)\n"
    )
