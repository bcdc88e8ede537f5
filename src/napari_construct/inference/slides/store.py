"""What the network found on a slide, on disk: sparse files that take as much space as there is tissue.

Every map is a file of plain numbers, ``NAME.raw``, in which rows that were never written are 0.
``progress.json`` says how many rows of tiles are in the maps; it is written after these have reached the
disk, so that a run that was killed at any moment goes on from there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_construct.exceptions import InputError
from napari_construct.export.atomic import atomic, unwritable
from napari_construct.reading.texts.json import read_json

_PROGRESS: Final = "progress.json"
_LONGEST: Final = 2**20


class MapShape(NamedTuple):
    """Shape (channels, rows, columns) and type of a map."""

    shape: tuple[int, int, int]
    dtype: type[np.generic]


class NetworkStore:
    """Maps of a slide in a folder.

    Parameters
    ----------
    folder : Path
        Made if it is missing.
    identity : mapping
        What the maps depend on, as plain values: slide, model, settings. Maps of another identity are begun
        again.
    shapes : mapping of str to MapShape
        The maps.

    Attributes
    ----------
    done : int
        Rows of tiles that are in the maps.
    shapes : dict of str to MapShape
        The maps.

    Raises
    ------
    InputError
        If a file was cut or changed by others.
    ConstructError
        If the system refuses to write.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], shapes: Mapping[str, MapShape]) -> None:
        self.folder, self.shapes = folder, dict(shapes)
        self._identity = json.loads(json.dumps(identity))
        folder.mkdir(parents=True, exist_ok=True)
        found = self._progress()
        same = found.get("identity") == self._identity
        self.done = int(found["done"]) if same else 0
        for name in shapes:
            self._prepare(name, fresh=not same)
        if not same:
            self.mark(0)

    def map(self, name: str) -> NDArray[Any]:
        """(channels, rows, columns) of a map, read from disk where it is used; changes are not written."""
        wanted = self.shapes[name]
        return np.memmap(self._path(name), dtype=wanted.dtype, mode="c", shape=wanted.shape)

    def write(self, name: str, first: int, rows: NDArray[Any]) -> None:
        """Write rows (channels, n, columns) of a map from row ``first`` on; rows of zeros are left out."""
        wanted, path = self.shapes[name], self._path(name)
        values = np.ascontiguousarray(rows, dtype=wanted.dtype)
        _, height, width = wanted.shape
        size = np.dtype(wanted.dtype).itemsize
        try:
            with path.open("r+b", buffering=0) as file:
                for channel, plane in enumerate(values):
                    if plane.any():
                        file.seek((channel * height + first) * width * size)
                        file.write(plane.tobytes())
        except OSError as error:
            raise unwritable(path, error) from error

    def mark(self, done: int) -> None:
        """Say that ``done`` rows of tiles are in the maps, after these have reached the disk."""
        for name in self.shapes:
            with self._path(name).open("r+b") as file:
                os.fsync(file.fileno())
        with atomic(self.folder / _PROGRESS) as temporary:
            temporary.write_text(json.dumps({"identity": self._identity, "done": done}), encoding="utf-8")
        self.done = done

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.raw"

    def _prepare(self, name: str, *, fresh: bool) -> None:
        path, wanted = self._path(name), self.shapes[name]
        size = int(np.prod(wanted.shape)) * np.dtype(wanted.dtype).itemsize
        if fresh or not path.exists():
            try:
                with path.open("wb") as file:
                    file.truncate(size)
            except OSError as error:
                raise unwritable(path, error) from error
        if path.stat().st_size != size:
            raise InputError(
                f"{path}: expected {size} bytes, got {path.stat().st_size}; delete the folder and begin again"
            )

    def _progress(self) -> dict[str, Any]:
        path = self.folder / _PROGRESS
        try:
            found = read_json(path, largest=_LONGEST, error=InputError) if path.exists() else {}
        except InputError:
            return {}
        known = isinstance(found, dict) and isinstance(found.get("done"), int)
        return found if known else {}
