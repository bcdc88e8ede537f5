"""One table of the cells of all images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from napari_construct.batch.entries import Entry
from napari_construct.exceptions import ConstructError
from napari_construct.export.atomic import atomic
from napari_construct.export.own_files import CELL_COLUMNS
from napari_construct.reading.texts.csv import csv_text
from napari_construct.results.stored_cells import read_cell_table

CELL_TABLE: Final = "batch_cells.csv"


def write_cell_table(path: Path, entries: Iterable[Entry], output: Path) -> tuple[str, ...]:
    """Write the rows of all images into one CSV, with the image in front; one image in memory at a time.

    Parameters
    ----------
    path : Path
        File to write, atomically.
    entries : iterable of Entry
        Those that are done and have a table are taken, in their order.
    output : Path
        Folder of the results.

    Returns
    -------
    tuple of str
        Why the cells of an image are left out: its table was changed so that it is none any more.
    """
    done = [entry for entry in entries if entry.state == "done" and "table" in entry.files]
    columns: list[str] = list(CELL_COLUMNS)
    tables: list[tuple[Entry, Path]] = []
    notices = []
    for entry in done:
        file = output / entry.files["table"]
        try:
            header = read_cell_table(file).header
        except (ConstructError, OSError) as error:
            notices.append(f"{entry.name}: its cells are left out of {path.name} ({error})")
            continue
        columns += [name for name in header if name not in columns]
        tables.append((entry, file))
    columns = _in_order(columns)
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        stream.write(csv_text([("image", *columns)]))
        for entry, file in tables:
            table = read_cell_table(file)
            places = [table.header.index(name) if name in table.header else None for name in columns]
            rows: list[tuple[Any, ...]] = []
            for _, cells in table.rows:
                row = ("" if at is None or at >= len(cells) else cells[at] for at in places)
                rows.append((entry.key, *row))
            stream.write(csv_text(rows))
    return tuple(notices)


def _in_order(columns: list[str]) -> list[str]:
    """Square micrometres behind pixels, also where the first image has no pixel size."""
    if "area_um2" not in columns:
        return columns
    rest = [name for name in columns if name != "area_um2"]
    at = rest.index("area_px") + 1
    return [*rest[:at], "area_um2", *rest[at:]]
