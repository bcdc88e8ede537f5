"""Image-level labels in a CSV: the column ``path``, one 0/1 column per class, and perhaps ``group``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_construct.classes import MAX_CLASSES
from napari_construct.data.bcss import named
from napari_construct.exceptions import DatasetError
from napari_construct.reading.csv import read_csv
from napari_construct.reading.foreign import quoted

LARGEST_TABLE: Final = 2**26
"""Bytes: about a million patches."""

GROUP: Final = "group"
"""Column of the patient or slide, unless a class is called so."""

Table: TypeAlias = tuple[
    tuple[Path, ...], NDArray[np.uint8], tuple[str, ...], tuple[str, ...], tuple[str, ...]
]
"""Paths, labels (n, k) uint8, class names, the paths as written in the table, and groups (or none)."""


def read_table(table: Path, class_names: tuple[str, ...] | None = None) -> Table:
    """Read a table of labels.

    Parameters
    ----------
    table : Path
        UTF-8, comma-separated, with a header. Relative paths start at the table's folder.
    class_names : tuple of str, optional
        The columns to use; all columns but ``path`` and ``group`` by default.

    Raises
    ------
    DatasetError
        If a column is missing, a label is neither 0 nor 1, or a file is missing or listed twice; the
        line or the files are named.
    """
    header, rows = _rows(table)
    columns = class_names or tuple(name for name in header if name not in ("path", GROUP))
    absent = [name for name in columns if name not in header]
    if absent:
        raise DatasetError(
            f"{table}: expected a column for every class, got none for {named(absent)}; the table has "
            f"{named(header)}"
        )
    if not 0 < len(columns) <= MAX_CLASSES:
        raise DatasetError(
            f"{table}: expected 1 to {MAX_CLASSES} class columns after path, got {len(columns)}"
        )
    labels = np.array(
        [[_label(row[c], table, line, c) for c in columns] for line, row in rows], dtype=np.uint8
    ).reshape(len(rows), len(columns))
    names = tuple(row["path"] for _, row in rows)
    paths = tuple(_resolve(table.parent, name) for name in names)
    missing = [name for name, path in zip(names, paths, strict=True) if not path.is_file()]
    if missing:
        raise DatasetError(
            f"{table}: expected a file for every path (relative to the table), found none for "
            f"{named(missing)}; correct the paths"
        )
    twice = [path.name for path, count in Counter(paths).items() if count > 1]
    if twice:
        raise DatasetError(
            f"{table}: expected every patch once, got {named(twice)} more often; remove the copies"
        )
    # sorted as the other two forms are, so that the order of lines changes nothing
    order = sorted(range(len(names)), key=lambda i: PureWindowsPath(names[i]).as_posix())
    return (
        tuple(paths[i] for i in order),
        labels[order],
        columns,
        tuple(PureWindowsPath(names[i]).as_posix() for i in order),
        tuple(rows[i][1][GROUP].strip() for i in order) if GROUP in header and GROUP not in columns else (),
    )


def _rows(table: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    found = read_csv(table, largest=LARGEST_TABLE, error=DatasetError)
    header = list(found.header)
    if "path" not in header:
        hint = "; separate columns by commas" if len(header) == 1 and ";" in header[0] else ""
        raise DatasetError(f"{table}: expected a column path, got {named(header) or 'an empty file'}{hint}")
    if len(set(header)) != len(header) or "" in header:
        raise DatasetError(f"{table}: expected different, named columns, got {named(header)}; rename them")
    rows: list[tuple[int, dict[str, str]]] = []
    for line, cells in found.rows:
        if len(cells) != len(header):
            raise DatasetError(
                f"{table}, line {line}: expected {len(header)} values, got another number; correct it"
            )
        row = dict(zip(header, cells, strict=True))
        rows.append((line, row))
        if not row["path"].strip():
            raise DatasetError(
                f"{table}, line {line}: expected a path, got none; fill it in or remove the line"
            )
    return header, rows


def _label(text: str, table: Path, line: int, column: str) -> int:
    if text.strip() not in ("0", "1"):
        raise DatasetError(
            f"{table}, line {line}: expected 0 or 1 for {column}, got {quoted(text)}; correct the label"
        )
    return int(text)


def _resolve(folder: Path, name: str) -> Path:
    # a table written on Windows has backslashes, which elsewhere are part of a name
    plain = folder / PurePosixPath(name.strip())
    return plain if plain.exists() else folder / PureWindowsPath(name.strip()).as_posix()
