"""Names of mask values in a file beside the masks: JSON, a table, or a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from napari_construct.data.labels.table_rows import read_rows
from napari_construct.exceptions import ConstructError
from napari_construct.reading.names import normal
from napari_construct.reading.places import files_in, is_file
from napari_construct.reading.texts.json import read_json
from napari_construct.reading.texts.text import read_text

_LARGEST: Final = 2**16
_NAMES: Final = ("name", "class", "label", "class_name", "label_name", "tissue")
_VALUES: Final = ("value", "index", "id", "code", "gt_code", "mask_value", "class_id", "pixel_value")


def names_beside(masks: Path, names: Sequence[str]) -> tuple[Mapping[int, str], str] | None:
    """The class of each value, and the file that says so; None without one that names every class once.

    Parameters
    ----------
    masks : Path
        The folder of the masks. Small files there and in the folder above are looked at.
    names : sequence of str
        The classes; letters of both cases are the same.
    """
    wanted = {normal(name).casefold(): name for name in names}
    for folder in (masks, masks.parent):
        for path in sorted(files_in(folder)):
            read = {".json": _of_json, ".csv": _of_table, ".tsv": _of_table, ".txt": _of_list}.get(
                path.suffix.lower()
            )
            if read is None or not is_file(path) or path.stat().st_size > _LARGEST:
                continue
            try:
                found = read(path)
            except ConstructError:
                continue
            known = {v: wanted[key] for v, text in found.items() if (key := _plain(text)) in wanted}
            if sorted(known.values()) == sorted(names):
                return known, path.name
    return None


def _of_json(path: Path) -> dict[int, str]:
    """Of ``{"gland": 1}``, ``{"1": "gland"}``, a list of names, or one of these inside ``classes``."""
    found: Any = read_json(path, largest=_LARGEST)
    if isinstance(found, dict) and isinstance(found.get("classes"), dict | list):
        found = found["classes"]
    if isinstance(found, list):
        return {i: str(name) for i, name in enumerate(found) if isinstance(name, str)}
    if not isinstance(found, dict):
        return {}
    by_name = {value: name for name, value in found.items() if type(value) is int}
    by_value = {int(key): str(name) for key, name in found.items() if key.isdecimal() and len(key) < 4}
    return by_name or by_value


def _of_table(path: Path) -> dict[int, str]:
    header, rows = read_rows(path)
    low = [name.casefold() for name in header]
    name = next((low.index(word) for word in _NAMES if word in low), None)
    value = next((low.index(word) for word in _VALUES if word in low), None)
    if name is None or value is None:
        return {}
    cells = [(row.cells[value].strip(), row.cells[name]) for row in rows]
    return {int(number): text for number, text in cells if number.isdecimal() and len(number) < 4}


def _of_list(path: Path) -> dict[int, str]:
    """One name a line, from value 0."""
    lines = read_text(path, what="a list of classes", largest=_LARGEST).splitlines()
    return dict(enumerate(line for line in lines if line.strip()))


def _plain(text: str) -> str:
    return normal(text).strip().casefold()
