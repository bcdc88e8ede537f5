"""Cutting patches as a Python script or as a command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Final

from napari_construct.classes import ClassTable
from napari_construct.exceptions import InputError
from napari_construct.reading.name_lists import names_as_text
from napari_construct.widgets.label.request import CutRequest
from napari_construct.widgets.layers import Plane
from napari_construct.widgets.parts.recipe_words import arguments, device_argument, device_option

_OPTIONS: Final = {
    "count": "--count",
    "side": "--side",
    "side_um": "--side-um",
    "mpp": "--patch-mpp",
    "image_mpp": "--mpp",
    "choice": "--choice",
    "min_tissue": "--min-tissue",
    "seed": "--seed",
}


def cut_as_python(request: CutRequest) -> str:
    """A script that cuts the same patches."""
    folder = repr(str(request.output))
    if request.opens:
        lines = ["from napari_construct import LabelSession", "", f"session = LabelSession({folder})"]
        return "\n".join([*lines, "print(session.progress())", "session.close()"]) + "\n"
    changes = request.settings.model_dump(exclude_defaults=True) | _pixel_size(request)
    model = f", model={request.model!r}" if request.model else ""
    sources = ", ".join(_source(given) for given in request.sources)
    classes = _classes(request.classes)
    tissue = "TissueClass, " if "TissueClass" in classes else ""
    more = f"settings{model}{device_argument(request.device)}, progress=True"
    lines = [
        f"from napari_construct import ClassTable, CutSettings, {tissue}cut_patches",
        "",
        f"classes = {classes}",
        f"settings = CutSettings({arguments(changes)})",
        f"folder = cut_patches([{sources}], {folder}, classes, {more})",
    ]
    return "\n".join(lines) + "\n"


def cut_as_command(request: CutRequest) -> str:
    """A command that cuts the same patches.

    Raises
    ------
    InputError
        If a layer has no file.
    """
    if request.opens:
        return shlex.join(["napari-construct", "label", "status", str(request.output)]) + "\n"
    words = ["napari-construct", "label", "cut"]
    for given in request.sources:
        path = str(given) if isinstance(given, Path) else given.path
        if path is None or (isinstance(given, Plane) and given.window is not None):
            raise InputError(
                f"{given.name}: expected a layer of a file, got one in memory; save it first, or copy as "
                "Python"
            )
        words.append(path)
    words += ["--output", str(request.output)]
    plain = ClassTable.from_names(request.classes.names)
    table = request.classes.model_dump_json(exclude_defaults=True)
    words += ["--classes", names_as_text(plain.names) if request.classes == plain else table]
    rest = request.settings.model_dump(mode="json", exclude_defaults=True)
    for name, option in _OPTIONS.items():
        if rest.get(name) is not None:
            words += [option, str(rest.pop(name))]
    if rest.pop("whole", False):
        words.append("--whole")
    if request.model:
        words += ["--model", request.model]
    if rest:
        words += ["--settings", json.dumps(rest)]
    return shlex.join([*words, *device_option(request.device)]) + "\n"


def _source(given: Path | Plane) -> str:
    if isinstance(given, Path):
        return repr(str(given))
    if given.path is not None:
        return repr(given.path)
    index = f"[{', '.join(map(str, given.index))}]" if given.index else ""
    return f"viewer.layers[{given.name!r}].data{index}"  # in napari's console


def _pixel_size(request: CutRequest) -> dict[str, object]:
    """What arrays of layers do not say; layers of different pixel sizes need to be cut one by one."""
    planes = [given for given in request.sources if isinstance(given, Plane) and given.path is None]
    sizes = {plane.mpp for plane in planes}
    known = len(sizes) == 1 and None not in sizes and request.settings.image_mpp is None
    return {"image_mpp": sizes.pop()} if known else {}


def _classes(table: ClassTable) -> str:
    if table == ClassTable.from_names(table.names):
        return f"ClassTable.from_names({list(table.names)!r})"
    rows = ", ".join(f"TissueClass({arguments(t.model_dump(exclude_defaults=True))})" for t in table)
    return f"ClassTable(classes=({rows},))"
