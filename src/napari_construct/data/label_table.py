"""Image-level labels in a CSV: the column ``path``, one column per class, and perhaps ``group``."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_construct.classes import MAX_CLASSES
from napari_construct.data.labels.table_rows import Row, read_rows
from napari_construct.data.labels.wording import label_value, spellings
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.reading.names import named, normal
from napari_construct.reading.places import is_file, is_folder
from napari_construct.reading.regular import open_regular

GROUP: Final = "group"
"""Column of the patient or slide, unless a class is called so."""

TABLE_SUFFIXES: Final = frozenset({".csv", ".tsv"})
"""Of the tables that are looked for in a folder; one that is named may have any, see :func:`is_table`."""

_PATH: Final = "path"
_PLACES: Final = frozenset({"source", "row", "column", "mpp"})
"""Columns that together say where patches were cut, in tables of our own: nobody takes them for classes."""
_NO_CLASSES: Final = spellings(
    "index idx i id uid no nr number name file filename x y z x0 y0 x1 y1 xmin ymin xmax ymax x_min "
    "y_min x_max y_max row col column rows cols columns fold folds split splits set subset is_train "
    "train is_val val is_test test is_valid valid partition patient patient_id slide slide_id case "
    "case_id tile_id patch_id image_id width height w h level mpp barcode magnification mag center "
    "centre hospital site batch seed weight area count pixels label_id n # num cv is dataset coord coords "
    "coordinate coordinates sample image tile patch min max pos position source group path"
)
"""Columns that number, place or divide patches; read as classes only when they are asked for by name."""
_UNNAMED: Final = re.compile(r"(unnamed: ?\d+(_level_\d+)?|level_\d+|column_?\d+)?$")


def is_table(path: Path) -> bool:
    """Whether a file is read as a table: by its suffix, or as it holds text.

    Raises
    ------
    DatasetError
        If it cannot be opened.
    """
    if path.suffix.lower() in TABLE_SUFFIXES:
        return True
    try:
        with open_regular(path, "a table") as stream:
            start = stream.read(4096)
    except InputError as error:
        raise DatasetError(str(error)) from error
    return b"\0" not in start or start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


class LabelTable(NamedTuple):
    """What a table says.

    Attributes
    ----------
    paths : tuple of Path
        Files, sorted as the other forms are: the order of lines changes nothing.
    labels : ndarray
        (n, k) uint8.
    class_names : tuple of str
        The columns.
    names : tuple of str
        Paths as written, with ``/``.
    groups : tuple of str
        Patient or slide of each, or none.
    notices : tuple of str
        Which columns are classes, and which are not.
    """

    paths: tuple[Path, ...]
    labels: NDArray[np.uint8]
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    notices: tuple[str, ...]


def read_table(table: Path, class_names: tuple[str, ...] | None = None, *, files: bool = True) -> LabelTable:
    """Read a table of labels.

    Parameters
    ----------
    table : Path
        UTF-8, or UTF-16 with its mark; columns separated by commas, semicolons or tabs; with a header.
        Relative paths start at the table's folder. Labels are 0 and 1, no and yes, false and true; or "x"
        and nothing.
    class_names : tuple of str, optional
        The columns to use; all columns by default but ``path``, ``group`` and those named like an index, a
        coordinate, a split, a patient or a slide.
    files : bool
        Whether the files have to be there; otherwise only their names are read.

    Raises
    ------
    DatasetError
        If a column is missing, a label is neither 0 nor 1, no patch has labels, or a file is missing or
        listed twice; the line or the files are named.

    Notes
    -----
    In a table of patches that were cut to be labelled (:func:`~napari_construct.cut_patches`), a row without
    any label is a patch that nobody has labelled yet, and is left out with a notice.
    """
    header, rows = read_rows(table)
    path_column = _path_column(table, header, rows)
    columns = _class_columns(table, header, path_column, class_names)
    crossed = {c for c in columns if _is_crossed(rows, header.index(c))}
    rows, unlabelled = _labelled(table, header, rows, columns)
    labels = np.array(
        [[_label(row.cells[header.index(c)], table, row.line, c, crossed) for c in columns] for row in rows],
        dtype=np.uint8,
    ).reshape(len(rows), len(columns))
    written = tuple(row.cells[path_column] for row in rows)
    paths = _files(table, written) if files else tuple(map(Path, written))
    names = tuple(normal(PureWindowsPath(name.strip()).as_posix()) for name in written)
    order = sorted(range(len(names)), key=lambda i: names[i])
    groups: tuple[str, ...] = ()
    if GROUP in header and GROUP not in columns:
        groups = tuple(rows[i].cells[header.index(GROUP)].strip() for i in order)
    return LabelTable(
        tuple(paths[i] for i in order),
        labels[order],
        class_names or columns,
        tuple(names[i] for i in order),
        groups,
        (*(() if class_names else _notices(header, columns, crossed)), *unlabelled),
    )


def is_class_column(name: str) -> bool:
    """Whether a column of this name is read as a class where the classes are not named."""
    return _may_be(normal(name).strip())


def _labelled(
    table: Path, header: Sequence[str], rows: list[Row], columns: Sequence[str]
) -> tuple[list[Row], tuple[str, ...]]:
    """The rows with labels, and a notice on those without any; all rows of tables that are not our own."""
    if not rows or not set(header) >= _PLACES:
        return rows, ()
    found = [row for row in rows if any(row.cells[header.index(c)].strip() for c in columns)]
    if not found:
        raise DatasetError(
            f"{table}: expected labels, got none for any of {len(rows)} patch(es); label them first"
        )
    left = len(rows) - len(found)
    return found, (f"{left} patch(es) without any label yet are left out",) if left else ()


def _path_column(table: Path, header: Sequence[str], rows: Sequence[Row]) -> int:
    column = next((i for i, name in enumerate(header) if name.casefold() == _PATH), None)
    if column is None:
        raise DatasetError(
            f"{table}: expected a column path, got {named(header, 20) or 'an empty file'}; name the column "
            "of the files so, and separate columns by commas, semicolons or tabs"
        )
    for row in rows:
        if not row.cells[column].strip():
            raise DatasetError(
                f"{table}, line {row.line}: expected a path, got none; fill it in or remove the line"
            )
    return column


def _class_columns(
    table: Path, header: Sequence[str], path_column: int, wanted: tuple[str, ...] | None
) -> tuple[str, ...]:
    """The columns of the classes, as the header writes them."""
    if wanted is None:
        columns = tuple(n for i, n in enumerate(header) if i != path_column and n != GROUP and _may_be(n))
    else:
        columns = tuple(normal(name).strip() for name in wanted)
        absent = [name for name in columns if name not in header]
        if absent:
            raise DatasetError(
                f"{table}: expected a column for every class, got none for {named(absent)}; the table has "
                f"{named(header, 20)}"
            )
    twice = [name for name, count in Counter(header).items() if count > 1 and name in columns]
    if twice:
        raise DatasetError(
            f"{table}: expected different, named columns, got {named(twice)} more than once; rename them"
        )
    if not 0 < len(columns) <= MAX_CLASSES:
        raise DatasetError(
            f"{table}: expected 1 to {MAX_CLASSES} class columns beside path, got {len(columns)} (there are "
            f"{named(header, 20)}); columns named like an index, a place or a split are none unless "
            "the classes are named (--classes)"
        )
    return columns


def _may_be(column: str) -> bool:
    """Whether a column is a class unless the user says otherwise."""
    plain = re.sub(r"[\s.-]+", "_", column.casefold())
    words = set(plain.split("_"))
    return not (words <= _NO_CLASSES or plain in _NO_CLASSES or _UNNAMED.match(column.casefold()))


def _notices(header: Sequence[str], columns: Sequence[str], crossed: set[str]) -> tuple[str, ...]:
    others = [name or "(no name)" for name in header if name not in (*columns, GROUP)]
    if set(header) >= _PLACES:
        others = [name for name in others if name not in _PLACES]
    others = [name for name in others if name.casefold() != _PATH]
    said = [f"classes read from the table: {named(columns, 20)}"]
    if others:
        said.append(
            f"columns of the table that are left out: {named(others, 20)}; to use them, name the classes"
        )
    if crossed:
        said.append(f"empty cells mean absent, where others hold an x: {named(sorted(crossed), 20)}")
    return tuple(said)


def _is_crossed(rows: Sequence[Row], column: int) -> bool:
    """Whether a column marks presence by an x and absence by nothing."""
    return {row.cells[column].strip().casefold() for row in rows} == {"", "x"}


def _label(text: str, table: Path, line: int, column: str, crossed: set[str]) -> int:
    value = label_value(text)
    if value is not None:
        return int(value)
    if not text.strip() and column in crossed:
        return 0
    raise DatasetError(
        f"{table}, line {line}: expected 0 or 1 for {named([column])}, got {text[:80]!r}; correct the label, "
        "or leave the column out by naming the classes (--classes)"
    )


def _files(table: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """The file of every path.

    Raises
    ------
    DatasetError
        If one is missing or listed twice.
    """
    search = _Search(table.parent)
    found = {name: search(name.strip()) for name in dict.fromkeys(names)}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise DatasetError(
            f"{table}: expected a file for every path (relative to the table), found none for "
            f"{named(missing)}; correct the paths"
        )
    paths = tuple(path for path in map(found.__getitem__, names) if path is not None)
    twice = [path.name for path, count in Counter(paths).items() if count > 1]
    if twice:
        raise DatasetError(
            f"{table}: expected every patch once, got {named(twice)} more often; remove the copies"
        )
    return paths


class _Search:
    """Finds files whose names were written on another system: backslashes, composed letters, .PNG."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inside: dict[Path, dict[str, str]] = {}

    def __call__(self, name: str) -> Path | None:
        try:
            plain = self._folder / PurePosixPath(name)
            if is_file(plain):
                return plain
            # a table written on Windows has backslashes, which elsewhere are part of a name
            found = self._folder
            for part in PurePosixPath(name.replace("\\", "/")).parts:
                step = found / part
                if part != ".." and not step.exists():
                    step = found / self._entries(found).get(_key(part), part)
                found = step
            return found if is_file(found) else None
        except (OSError, ValueError):  # too long for a file, or a NUL
            return None

    def _entries(self, folder: Path) -> dict[str, str]:
        if folder not in self._inside:
            entries = folder.iterdir() if is_folder(folder) else ()
            self._inside[folder] = {_key(path.name): path.name for path in entries}
        return self._inside[folder]


def _key(name: str) -> str:
    """A name with composed letters and a small suffix."""
    stem, dot, suffix = normal(name).rpartition(".")
    return f"{stem}{dot}{suffix.lower()}"
