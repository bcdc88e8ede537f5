"""Read results that ``save``, ``segment``, ``demo``, ``batch`` or napari wrote."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.data.limits import METADATA_ERRORS
from napari_construct.data.mask_description import mask_description
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.own_files import has_tissue_labels, is_own, is_pyramid, read_record, record_path
from napari_construct.reading.foreign import passed_on, path_inside
from napari_construct.reading.regular import open_regular
from napari_construct.reading.texts.text import at
from napari_construct.results.cells import CELL
from napari_construct.results.described import describes, record_beside
from napari_construct.results.parts import cells_of, confidences_of, labels_of_cells, labels_of_mask, maps_of
from napari_construct.results.record_model import checked_record
from napari_construct.results.result import StoredResult
from napari_construct.results.stored_cells import cells_description, read_cells
from napari_construct.results.stored_pyramid import open_pyramid
from napari_construct.results.stored_zarr import open_zarr
from napari_construct.types import PathLike

Read: TypeAlias = Callable[[Path], StoredResult]

_ATTEMPTS = 5
_WITH_LABELS: Final = ("mask", "zarr", "cells")
"""Kinds of files that say what each pixel is, the first that is there counts."""
_START = 64  # bytes that tell a picture from a text


def load_result(path: PathLike, name: str | None = None) -> StoredResult:
    """Read a stored result.

    Parameters
    ----------
    path : path
        A folder with one result, its JSON record, its mask or cells (TIFF), or an OME-Zarr with labels.
    name : str, optional
        Which result to read from a folder with several; ``NAME.json`` is its record.

    Returns
    -------
    StoredResult
        The exact labels, CAMs if they were written, classes, pixel size and record.

    Raises
    ------
    InputError
        If there is no result, the folder holds several, or a file is missing or damaged.
    """
    path = Path(path)
    if name is not None:
        return read_from_record(path / f"{name}.json")
    reader = reader_of(path)
    if reader is not None:
        return reader(path)
    if path.is_dir():
        return read_from_record(_only_record(path))
    if path.suffix.lower() == ".json":
        return read_from_record(path)  # says what is wrong with it
    raise InputError(
        f"{path}: expected a result of napari-construct (folder, JSON record, mask, cells or OME-Zarr), "
        f"{'got another file' if path.exists() else 'found nothing there'}; check the path"
    )


def reader_of(path: Path) -> Read | None:
    """Function that reads a file or an OME-Zarr; None if it is no result of napari-construct."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # nothing there, no permission, or an impossible name
        return None
    if stat.S_ISDIR(mode):
        return _read_zarr if has_tissue_labels(path) else None
    try:
        with open_regular(path, "a result") as stream:
            start = stream.read(_START)
    except (InputError, OSError):
        return None
    if start.startswith((b"II", b"MM")):
        return _reader_of_tiff(path)
    if start.lstrip().startswith(b"{"):
        return read_from_record if _is_record(path) else None
    return None


def _reader_of_tiff(path: Path) -> Read | None:
    if mask_description(path) is not None:
        return read_from_mask
    return read_from_cells if cells_description(path) is not None else None


def read_from_record(path: Path) -> StoredResult:
    """The result of a record; its files lie beside it under the names it gives.

    Raises
    ------
    InputError
        If a file is missing or is not what the record says.
    """
    return _undisturbed(_from_record, path)


def _from_record(path: Path) -> StoredResult:
    record = read_record(path)
    known = checked_record(record, path)
    files, colours = known.files, known.colours
    try:
        table = ClassTable.from_names(tuple(colours), palette=tuple(colours.values()))
        kind = next(kind for kind in _WITH_LABELS if kind in files)
        if "zarr" in files and is_pyramid(path_inside(path.parent, files["zarr"], InputError)):
            kind = "zarr"  # of a slide; its mask as TIFF is another form of it
        place = path_inside(path.parent, files[kind], InputError)
        if describes(record, kind, place) or not place.exists():
            labels = _LABELS_OF[kind](place)
            cams, notices = maps_of("cams", path, record, (len(table), *labels.shape))
            cells, more = cells_of(path, record, labels.shape)
            found = _stored(labels, table, known.input.mpp, record, notices + more, cams, cells)
            return found if cells is None else _with_cells(found, path)
    except (*METADATA_ERRORS, ConfigurationError) as error:
        raise InputError(
            f"{at(path)}: expected the record of a segmentation with its files, got "
            f"{passed_on(error)}; segment again"
        ) from error
    return _without_record(path, kind, place)


def _with_cells(found: StoredResult, path: Path) -> StoredResult:
    """A result of cells with what else its record describes: their confidences, and their boundary."""
    boundary, notices = maps_of("boundary", path, found.record, found.labels.shape)
    return replace(
        found,
        confidences=confidences_of(path, found.record),
        boundary=boundary,
        notices=found.notices + notices,
    )


def _without_record(record: Path, kind: str, place: Path) -> StoredResult:
    """A mask that a record does not describe, with the classes that it names itself."""
    if kind == "zarr":
        return _read_zarr(place)  # finds for itself that this is not its record
    if kind == "cells":
        return read_from_cells(place)
    if mask_description(place) is None:
        raise InputError(
            f"{place}: expected the mask that {record.name} describes, got one that was changed since and "
            'names no classes itself; segment again, or, if you edited it, remove "sha256" from '
            f"{record.name}"
        )
    return read_from_mask(place)


def read_from_mask(path: Path) -> StoredResult:
    """A mask TIFF in the colours of its palette, with the record beside it where there is one.

    Raises
    ------
    InputError
        If napari-construct did not write the mask.
    """
    return _undisturbed(_from_mask, path)


def _from_mask(path: Path) -> StoredResult:
    found = mask_description(path)
    if found is None:
        raise InputError(f"{path}: expected a mask with its classes in the description, got another TIFF")
    names, palette = tuple(found.names.values()), found.colours
    record, notices = record_beside(path, "mask")
    colours = record.get("colours", {})
    given = [str(colours.get(n) or palette.get(i, "")) for i, n in enumerate(names, start=1)]
    table = ClassTable.from_names(names, palette=given) if all(given) else ClassTable.from_names(names)
    if "cells" in record.get("files", {}):
        return _from_record(record_path(path))  # the numbers of the cells lie beside it
    return _stored(labels_of_mask(path), table, found.mpp, record, notices)


def read_from_cells(path: Path) -> StoredResult:
    """Numbered cells, with the record, table and maps beside them where these are of the same cells.

    Raises
    ------
    InputError
        If napari-construct did not write them.
    """
    return _undisturbed(_from_cells, path)


def _from_cells(path: Path) -> StoredResult:
    found = cells_description(path)
    if found is None:
        raise InputError(f"{path}: expected numbered cells of napari-construct, got another TIFF")
    record, notices = record_beside(path, "cells")
    if record:
        files = record["files"]
        kind = next(kind for kind in _WITH_LABELS if kind in files)
        if describes(record, kind, path_inside(path.parent, files[kind], InputError)):
            return _from_record(record_path(path))
    cells = read_cells(path)
    labels = (cells > 0).astype(np.uint8)
    stored = _stored(labels, CELL, found.mpp, record, notices, None, cells)
    return replace(stored, confidences=confidences_of(path, record))


def _read_zarr(path: Path) -> StoredResult:
    found = open_pyramid(path) if is_pyramid(path) else open_zarr(path)
    return _stored(found.read_labels(), found.classes, found.mpp, found.record, found.notices)


def _undisturbed(read: Callable[[Path], StoredResult], path: Path) -> StoredResult:
    """Read a record or mask; again, if a run replaced it meanwhile, as it is opened more than once."""
    for _ in range(_ATTEMPTS):
        before, found = _identity(path), read(path)
        if _identity(path) == before:
            return found
    raise InputError(f"{path}: expected a result, got one that is being replaced; wait until the run ends")


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _stored(
    labels: Any,
    table: ClassTable,
    mpp: float | None,
    record: Mapping[str, Any],
    notices: tuple[str, ...],
    cams: Any = None,
    cells: Any = None,
) -> StoredResult:
    presence = record.get("presence", {})
    known = [presence.get(name, {}) for name in table.names] if isinstance(presence, Mapping) else []
    return StoredResult(
        labels=labels,
        classes=table,
        presence=tuple(bool(p["present"]) for p in known) if all("present" in p for p in known) else (),
        presence_scores=tuple(float(p["score"]) for p in known) if all("score" in p for p in known) else (),
        mpp=mpp,
        record=record,
        notices=notices,
        cams=cams,
        instances=cells,
    )


def _only_record(folder: Path) -> Path:
    records = [path for path in sorted(folder.glob("*.json")) if _is_record(path)]
    if len(records) != 1:
        names = ", ".join(path.stem for path in records[:5]) + (" ..." if len(records) > 5 else "")
        raise InputError(
            f"{folder}: expected one result, found {len(records)}"
            + (f" ({names}); give the name of one" if records else "; check the path")
        )
    return records[0]


def _is_record(path: Path) -> bool:
    """Whether a file is a record of ours with a mask or an OME-Zarr that can be opened."""
    if not is_own(path):
        return False
    record = read_record(path)
    files, colours = record.get("files"), record.get("colours")
    return isinstance(colours, dict) and isinstance(files, dict) and not set(_WITH_LABELS).isdisjoint(files)


_LABELS_OF: Final[Mapping[str, Callable[[Path], Any]]] = {
    "mask": labels_of_mask,
    "zarr": lambda path: _read_zarr(path).labels,
    "cells": labels_of_cells,
}
