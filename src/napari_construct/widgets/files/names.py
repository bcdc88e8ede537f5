"""Names of saved files: a result opens again, whatever was typed.

napari suggests the layer's name, without an ending, and takes what was typed as it is. And it chooses a
reader by the name alone: a mask opens as a mask where its name says so, and as a grey picture otherwise.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from napari_construct.export.own_files import CELL_MARKS, MASK_MARKS

_MARKS: Final[Mapping[str, tuple[str, ...]]] = {"mask": MASK_MARKS, "cells": CELL_MARKS}
"""Ends of the names of what opens as labels, the one that is added first."""
MASK_PATTERNS: Final = (
    *(f"*{mark}{tiff}" for marks in _MARKS.values() for mark in marks for tiff in (".tif", ".tiff")),
    f"*{MASK_MARKS[0]}.ome.tif",
)
"""Names of masks and cells as napari matches them; those of the manifest."""
SCANNED_SUFFIXES: Final = (
    ".svs",
    ".ndpi",
    ".mrxs",
    ".scn",
    ".bif",
    ".svslide",
    ".vms",
    ".vmu",
    ".qptiff",
    ".czi",
    ".dcm",
    ".dicom",
)
"""Of files that scanners write and no other program; those of the manifest. They are the suffixes of slides
only and of scanners' TIFFs (``data.slide_parts``), and QPTIFF. TIFF is not among them: napari would ask for
each."""

_OF_IMAGES: Final = (".ome.tiff", ".ome.tif", ".tiff", ".tif", ".png", ".jpg", ".ndpi", ".mrxs", ".svs")
_LAYERS: Final = (*MASK_MARKS[1:], *CELL_MARKS[1:])
_NUMBERED: Final = re.compile(rf"(.+)({'|'.join(map(re.escape, _LAYERS))}) (\[\d+\])")
_ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "mask": (".tif", ".tiff"),
    "cells": (".tif", ".tiff"),
    "overlay": (".png",),
    "zarr": (".ome.zarr", ".zarr"),
    "geojson": (".geojson", ".geojson.gz", ".zip"),
}
"""Endings that may be typed for a kind of file, the best one first."""


def saved_path(typed: str, kind: str) -> Path:
    """Where a file of a kind (a key of ``_ENDINGS``) is written, for the name that was typed.

    A name that is right is kept: napari has asked before it is replaced. Any other gets the ending of its
    kind, and a mask its mark; where such a file lies already, nobody was asked, and a number is added.
    """
    path = Path(typed)
    ending = next((e for e in _ENDINGS[kind] if path.name.lower().endswith(e)), "")
    stem = path.name[: len(path.name) - len(ending)] or "result"
    written = ending if ending in (".tiff", ".geojson.gz", ".zip") else _ENDINGS[kind][0]
    mark = ""
    if kind in _MARKS:
        mark = next((m for m in _MARKS[kind] if stem.endswith(m)), "")
        stem, mark = stem.removesuffix(mark), mark or _MARKS[kind][0]
        if numbered := _NUMBERED.fullmatch(stem):  # "slide mask [1]": napari numbers layers of one name
            stem, mark = f"{numbered[1]} {numbered[3]}", numbered[2]
    number, found = 1, path.with_name(f"{stem}{mark}{written}")
    while found != path and os.path.lexists(found):
        number += 1
        found = path.with_name(f"{stem} {number}{mark}{written}")
    return found


def annotations_stem(path: Path) -> str:
    """The name of the image that a file of annotations is of, as far as its own name says."""
    name = path.name
    for ending in (".gz", ".zip", ".geojson", ".json", *_OF_IMAGES):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name or path.name
