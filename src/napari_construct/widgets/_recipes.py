"""The same run as Python or as a command, so that what was clicked can be repeated and cited."""

from __future__ import annotations

import json
import shlex
from typing import Final

from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets._layers import Plane

_WITHOUT_OPTION: Final = {"crf", "presence_threshold", "background", "background_exponent"}


def as_python(plane: Plane, model: str, settings: SegmentSettings) -> str:
    """A script whose ``result`` holds the arrays of the layers."""
    changed = settings.model_dump(exclude_defaults=True)
    arguments = ", ".join(f"{name}={value!r}" for name, value in changed.items())
    lines = ["from napari_construct import SegmentSettings, segment"]
    if plane.path is None:
        inside = [*map(str, plane.index), *_spans(plane)]
        index = f"[{', '.join(inside)}]" if inside else ""
        image = f"viewer.layers[{plane.name!r}].data{index}  # in napari's console; RGB, 8 bit"
    else:
        lines.append("from napari_construct.data.images import read_image")
        inside = _spans(plane)
        image = f"read_image({plane.path!r}).pixels" + (f"[{', '.join(inside)}].copy()" if inside else "")
    lines += [
        "",
        f"image = {image}",
        f"settings = SegmentSettings({arguments})",
        f"result = segment(image, {model!r}, settings, mpp={plane.mpp!r}, name={plane.name!r})",
    ]
    return "\n".join(lines) + "\n"


def as_command(plane: Plane, model: str, settings: SegmentSettings) -> str:
    """A command of ``napari-construct``; IMAGE stands for a layer that came from no file."""
    default = SegmentSettings()
    words = ["napari-construct", "segment", plane.path or "IMAGE", "--model", model, "--output", "results"]
    if settings.classes is not None:
        words += ["--classes", ",".join(settings.classes)]
    if settings.six_views:
        words.append("--six-views")
    if settings.crf is None:
        words.append("--no-crf")
    for option in ("tile", "overlap", "min_confidence", "device"):
        value = getattr(settings, option)
        if value != getattr(default, option):
            words += [f"--{option.replace('_', '-')}", str(value)]
    mpp = plane.mpp if settings.mpp is None else settings.mpp
    if mpp is not None:
        words += ["--mpp", repr(mpp)]
    if plane.window is not None:
        rows, columns = plane.window
        words += ["--region", f"{rows.start},{rows.stop},{columns.start},{columns.stop}"]
    rest = settings.model_dump(mode="json", include=_WITHOUT_OPTION, exclude_defaults=True, exclude_none=True)
    if rest:
        words += ["--settings", json.dumps(rest)]
    return shlex.join(words) + "\n"


def _spans(plane: Plane) -> list[str]:
    """The part that is taken, as Python writes slices."""
    return [f"{part.start}:{part.stop}" for part in plane.window or ()]
