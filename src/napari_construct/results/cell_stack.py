"""The joined result of a stack of cells: one image of numbers, one table, one record.

No two cells of a stack have one number: those of a plane follow on the highest number of the planes before
it. So a number is a row of the joined table, and its plane is a column there. The numbers in the files of the
planes begin with 1 each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.limits import DECODER_ERRORS
from napari_construct.data.masks import read_mask, read_masks
from napari_construct.exceptions import ConstructError, InputError
from napari_construct.export.atomic import atomic
from napari_construct.export.own_files import CELL_COLUMNS, read_record
from napari_construct.export.tiff import write_cell_planes, write_planes
from napari_construct.reading.foreign import passed_on
from napari_construct.reading.texts.csv import csv_text
from napari_construct.results.areas import PERCENT_OF_TISSUE
from napari_construct.results.cells import CELL
from napari_construct.results.stored_cells import cells_description, read_cell_table, read_cells
from napari_construct.results.whole_result import write_whole

_FAILURES: Final = (*DECODER_ERRORS, ConstructError)
_LABEL: Final = CELL_COLUMNS[0]
_OF_RUN: Final = ("software", "model", "settings", "device")
"""Parts of a plane's record that are those of all planes."""


@dataclass(frozen=True, slots=True)
class _Plane:
    """A plane that can be read: its files and size, its highest number, and how many pixels and cells."""

    files: Mapping[str, Path]
    shape: tuple[int, int]
    highest: int
    pixels: int
    cells: int
    before: int
    """The highest number of the planes before it."""


def write_cell_stack(
    paths: Mapping[str, Path], planes: Sequence[Mapping[str, Path]], *, overwrite: bool = False
) -> tuple[str, ...]:
    """Join the results of the planes of a stack; one plane at a time is in memory.

    Parameters
    ----------
    paths : mapping of str to Path
        Files to write, of "mask", "cells" and "table" by kind; "record" must be among them.
    planes : sequence of mapping of str to Path
        Files of each plane by kind, "cells" and "record" among them, in the order of the planes. Empty for a
        plane without a result, which is empty in the stack.
    overwrite : bool
        Also replace files that napari-construct did not make.

    Returns
    -------
    tuple of str
        Which planes are left out, and why: somebody changed their files so that they cannot be read.

    Raises
    ------
    ConstructError
        If the files cannot be written.
    """
    found, notices = _looked_at(planes)
    there = [plane for plane in found if plane is not None]
    if not there:
        return tuple(notices)
    shape, last = there[0].shape, there[-1]
    about = cells_description(there[0].files["cells"])
    mpp = None if about is None else about.mpp
    whole = (len(planes), *shape)

    def write(made: Mapping[str, Path]) -> None:
        if "mask" in made:
            masks = (None if plane is None else plane.files["mask"] for plane in found)
            write_planes(made["mask"], read_masks(masks, shape), whole, CELL, mpp)
        if "cells" in made:
            write_cell_planes(made["cells"], _numbers(found, shape), whole, last.before + last.highest, mpp)
        if "table" in made:
            notices.extend(_write_table(made["table"], found))

    write_whole(paths, _record(paths["record"].stem, found, mpp), write, overwrite=overwrite)
    return tuple(notices)


def _looked_at(planes: Sequence[Mapping[str, Path]]) -> tuple[list[_Plane | None], list[str]]:
    """Each plane with the number that its cells follow on; None where there is nothing that can be joined."""
    found: list[_Plane | None] = []
    notices: list[str] = []
    before, shape = 0, None
    for files in planes:
        plane = None
        try:
            if files:
                plane = _plane(files, shape, before)
                before, shape = before + plane.highest, plane.shape
        except _FAILURES as error:
            notices.append(f"{files['cells'].name} is left out of the joined cells ({passed_on(error)})")
        found.append(plane)
    return found, notices


def _plane(files: Mapping[str, Path], shape: tuple[int, int] | None, before: int) -> _Plane:
    numbers = read_cells(files["cells"], shape)
    if numbers.ndim != 2 or ("mask" in files and read_mask(files["mask"]).shape != numbers.shape):
        raise InputError(f"expected one plane and a mask of its size, got {numbers.shape}")
    there = np.unique(numbers)
    return _Plane(
        files,
        (int(numbers.shape[0]), int(numbers.shape[1])),
        int(there[-1]),
        int(np.count_nonzero(numbers)),
        int(np.count_nonzero(there)),
        before,
    )


def _numbers(planes: Sequence[_Plane | None], shape: tuple[int, int]) -> Iterator[NDArray[np.int64]]:
    for plane in planes:
        if plane is None:
            yield np.zeros(shape, np.int64)
        else:
            numbers = read_cells(plane.files["cells"], shape).astype(np.int64)
            yield np.where(numbers > 0, numbers + plane.before, 0)


def _write_table(path: Path, planes: Sequence[_Plane | None]) -> Iterator[str]:
    """Write the rows of all planes with their plane, counted from 1; says whose rows are left out."""
    columns: list[str] = []
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        for number, plane in enumerate(planes, start=1):
            if plane is None:
                continue
            try:
                table = read_cell_table(plane.files["table"])
                rows = [dict(zip(table.header, cells, strict=False)) for _, cells in table.rows]
                for row in rows:
                    row[_LABEL] = str(int(row[_LABEL]) + plane.before)
                    row["plane"] = str(number)
            except _FAILURES as error:
                yield f"{plane.files['table'].name} is left out of the joined table ({passed_on(error)})"
                continue
            if not columns:
                columns = _with_plane(table.header)
                stream.write(csv_text([columns]))
            stream.write(csv_text([[row.get(name, "") for name in columns] for row in rows]))
        if not columns:
            stream.write(csv_text([_with_plane((*CELL_COLUMNS, "centroid_y", "centroid_x", "confidence"))]))


def _with_plane(header: Sequence[str]) -> list[str]:
    """The columns of a plane's table, with the plane in front of the place."""
    at = list(header).index("centroid_y") if "centroid_y" in header else len(header)
    return [*header[:at], "plane", *header[at:]]


def _record(name: str, planes: Sequence[_Plane | None], mpp: float | None) -> dict[str, Any]:
    there = [plane for plane in planes if plane is not None]
    pixels, cells = sum(plane.pixels for plane in there), sum(plane.cells for plane in there)
    seen = sum(plane.shape[0] * plane.shape[1] for plane in there)
    area: dict[str, Any] = {"class": CELL.names[0], "pixels": pixels}
    area |= {PERCENT_OF_TISSUE: 100.0 * pixels / max(seen, 1), "components": cells}
    if mpp is not None:
        area["mm2"] = pixels * mpp**2 * 1e-6
    run = _record_of(there[0])
    return {
        **{part: run[part] for part in _OF_RUN if part in run},
        "input": {"name": name, "mpp": mpp},
        "presence": {CELL.names[0]: {"present": cells > 0}},
        "cells": cells,
        "joined": [_joined(plane) for plane in planes],
        "areas": [area],
        "tissue_pixels": seen,
        "colours": {tissue.name: tissue.colour for tissue in CELL},
        "notices": [],
    }


def _record_of(plane: _Plane) -> dict[str, Any]:
    try:
        return read_record(plane.files["record"])
    except InputError:  # somebody changed it; the numbers are good without
        return {}


def _joined(plane: _Plane | None) -> dict[str, Any] | None:
    if plane is None:
        return None
    return {"record": plane.files["record"].name, "cells": plane.cells, "numbers_after": plane.before}
