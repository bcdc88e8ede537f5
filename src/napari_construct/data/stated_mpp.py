"""The pixel size that patches state: in their files, in their table, or in a description beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from napari_construct.data.image_header import read_header
from napari_construct.data.label_table import TABLE_SUFFIXES
from napari_construct.data.labels.table_rows import read_rows
from napari_construct.data.resolution import PLAUSIBLE_MPP, length
from napari_construct.exceptions import ConfigurationError, DatasetError, InputError
from napari_construct.reading.places import files_in, is_file, is_folder
from napari_construct.reading.texts.json import read_json

MOST: Final = 24
"""Patches whose files are asked, evenly spread."""

_SAME: Final = 0.02
"""Relative difference up to which two statements mean one pixel size."""

_KEYS: Final = ("mpp", "pixel_size", "pixel_size_um", "microns_per_pixel")
_LARGEST: Final = 2**20


class StatedMpp(NamedTuple):
    """Micrometres per pixel, and who says so, for people."""

    mpp: float
    source: str


def stated_mpp(paths: Sequence[Path], root: Path) -> StatedMpp | None:
    """The one pixel size of all patches that were asked; None where it is unknown or differs.

    Parameters
    ----------
    paths : sequence of Path
        The patches.
    root : Path
        Their folder or their table. A table's column ``mpp`` counts, and a JSON file with ``mpp`` in the
        folder or beside it.
    """
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(MOST, len(paths))).round().astype(int))
    if (found := _one(_of_file(paths[i]) for i in chosen.tolist())) is not None:
        return StatedMpp(found, "the patches' files")
    if is_file(root):
        if (found := _one(_of_table(root))) is not None:
            return StatedMpp(found, f"the table {root.name}")
        places: tuple[Path, ...] = (root.parent,)
    else:
        places = (root, root.parent)
    beside = (path for folder in places for path in _descriptions(folder))
    return next((StatedMpp(mpp, path.name) for path in beside if (mpp := _of_json(path)) is not None), None)


def _descriptions(folder: Path) -> list[Path]:
    """Small JSON files of a folder."""
    files = sorted(files_in(folder)) if is_folder(folder) else []
    return [p for p in files if p.suffix.lower() == ".json" and is_file(p) and p.stat().st_size <= _LARGEST]


def _one(values: Iterable[float | None]) -> float | None:
    """The value of all, if all have one and they agree."""
    known = list(values)
    numbers = [value for value in known if value is not None]
    if not numbers or len(numbers) < len(known) or max(numbers) > (1 + _SAME) * min(numbers):
        return None
    return float(np.median(numbers))


def _of_file(path: Path) -> float | None:
    try:
        return read_header(path).mpp
    except InputError:
        return None


def _of_table(table: Path) -> list[float | None]:
    if table.suffix.lower() not in TABLE_SUFFIXES:
        return []
    try:
        header, rows = read_rows(table)
    except DatasetError:
        return []
    column = next((i for i, name in enumerate(header) if name.casefold() in _KEYS), None)
    return [] if column is None else [_plausible(row.cells[column]) for row in rows]


def _of_json(path: Path) -> float | None:
    try:
        found = read_json(path)
    except (ConfigurationError, InputError):
        return None
    if not isinstance(found, dict):
        return None
    values = (_plausible(found.get(key)) for key in _KEYS)
    return next((value for value in values if value is not None), None)


def _plausible(value: object) -> float | None:
    mpp = length(str(value).replace(",", "."), None) if isinstance(value, str | int | float) else None
    return mpp if mpp is not None and PLAUSIBLE_MPP[0] <= mpp <= PLAUSIBLE_MPP[1] else None
