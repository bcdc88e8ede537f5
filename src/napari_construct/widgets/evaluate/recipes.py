"""An evaluation as Python or as a command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Final

from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.evaluate.job import LayerPair
from napari_construct.widgets.evaluate.settings import EvaluateSettings

_OPTIONS: Final = ("tile", "overlap", "min_confidence", "device")


def folders(images: Path, masks: Path | None) -> tuple[Path, Path]:
    """The two folders of files, also where one that holds both was chosen."""
    return (images / "img", images / "mask") if masks is None else (images, masks)


def folders_as_python(images: Path, masks: Path | None, settings: EvaluateSettings) -> str:
    """A script whose ``report`` holds the scores."""
    changed = settings.segment.model_dump(exclude_defaults=True)
    arguments = ", ".join(f"{name}={value!r}" for name, value in changed.items())
    first, second = folders(images, masks)
    return (
        "from napari_construct import SegmentSettings, evaluate\n"
        "\n"
        f"settings = SegmentSettings({arguments})\n"
        f"report = evaluate({str(first)!r}, {str(second)!r}, {settings.model!r}, settings, "
        f"ignore={list(settings.ignore)!r})\n"
        "print(report.to_markdown())\n"
    )


def folders_as_command(images: Path, masks: Path | None, settings: EvaluateSettings) -> str:
    """A command of ``napari-construct`` with the same scores."""
    first, second = folders(images, masks)
    words = ["napari-construct", "evaluate", str(first), str(second), "--model", settings.model]
    for value in settings.ignore:
        words += ["--ignore", str(value)]
    segment, default = settings.segment, SegmentSettings()
    if segment.views is not None:
        words += ["--views", segment.views]
    words.append("--no-crf" if segment.crf is None else "--crf")  # a model may have its own default
    for option in _OPTIONS:
        value = getattr(segment, option)
        if value != getattr(default, option):
            words += [f"--{option.replace('_', '-')}", str(value)]
    if segment.mpp is not None:
        words += ["--mpp", repr(segment.mpp)]
    known = {"views", "mpp", *_OPTIONS, *(("crf",) if segment.crf is None else ())}
    rest = segment.model_dump(mode="json", exclude=known, exclude_defaults=True)
    if rest:
        words += ["--settings", json.dumps(rest)]
    return shlex.join(words) + "\n"


def layers_as_python(pair: LayerPair, settings: EvaluateSettings) -> str:
    """Lines for napari's console; ``scores`` and ``matrix`` are those of the widget."""
    first = settings.first_class
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
