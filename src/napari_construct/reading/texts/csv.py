"""Comma-separated tables: read within bounds, written so that no spreadsheet runs them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.reading.foreign import cell_text, passed_on, table_cell
from napari_construct.reading.names import encodable
from napari_construct.reading.texts.text import LARGEST, at, read_text
from napari_construct.types import PathLike

MOST_COLUMNS: Final = 1000
MOST_CELLS: Final = 10_000_000

_MOST_SEPARATORS: Final = 100 * MOST_COLUMNS
"""In one line; a cell in quotation marks may hold some."""


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A table as it was written.

    Attributes
    ----------
    header : tuple of str
        Names of the columns, without outer spaces; empty of an empty file.
    rows : tuple of (int, tuple of str)
        Number of the line at which a row ends, from 1, and its cells; lines without any are left out.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def read_csv(
    path: PathLike,
    *,
    what: str = "a comma-separated table",
    largest: int = LARGEST,
    error: type[ConstructError] = ConfigurationError,
) -> CsvTable:
    """A comma-separated table with a header, in UTF-8.

    An apostrophe that hides a formula from spreadsheets (:func:`~.foreign.table_cell`) is taken away.
    Parameters and errors as of :func:`~.text.read_text`.
    """
    text = read_text(path, what=what, largest=largest, error=error)
    return parse_csv(text, at(path), what, error)


def parse_csv(
    text: str,
    where: str,
    what: str = "a comma-separated table",
    error: type[ConstructError] = ConfigurationError,
    separator: str = ",",
) -> CsvTable:
    """A table with a header.

    Parameters
    ----------
    text : str
        The table; empty lines are left out.
    where, what, error
        Place and expectation of the error message, and its class.
    separator : str
        Between cells.

    Raises
    ------
    ConstructError
        If it is no such table, or too large.
    """
    header: tuple[str, ...] | None = None
    rows: list[tuple[int, tuple[str, ...]]] = []
    for number, cells in csv_rows(text, where, what=what, separator=separator, error=error):
        if cells and header is None:
            header = tuple(cell_text(name.strip()) for name in cells)
        elif cells:
            rows.append((number, tuple(map(cell_text, cells))))
    return CsvTable(header or (), tuple(rows))


def csv_rows(
    text: str,
    where: str,
    *,
    what: str = "a comma-separated table",
    separator: str = ",",
    error: type[ConstructError] = ConfigurationError,
) -> Iterator[tuple[int, list[str]]]:
    """Rows of bounded length, with the number of the line at which each ends, from 1.

    Parameters
    ----------
    text : str
        Read whole, so its size must be bounded.
    where, what, error
        Place and expectation of the error message, and its class.
    separator : str
        Between cells.

    Raises
    ------
    ConstructError
        If there are more than 1000 columns or 10 million cells, a cell is longer than 131,072 letters, or
        quotation marks are not closed.
    """
    too_many = (
        f"expected at most {MOST_COLUMNS} columns and {MOST_CELLS:,} cells, got more; check which file it is"
    )

    def lines() -> Iterator[str]:
        for number, line in enumerate(io.StringIO(text, newline=""), start=1):
            if line.count(separator) > _MOST_SEPARATORS:  # before they become cells
                raise error(f"{where}, line {number}: {too_many}")
            yield line

    reader = csv.reader(lines(), delimiter=separator, strict=True)
    count = 0
    try:
        for cells in reader:
            count += len(cells)
            if len(cells) > MOST_COLUMNS or count > MOST_CELLS:
                raise error(f"{where}, line {reader.line_num}: {too_many}")
            yield reader.line_num, cells
    except csv.Error as found:
        reason = passed_on(found)
        if "field limit" in reason:
            reason = (
                f"a cell of more than {csv.field_size_limit():,} letters (is a quotation mark not closed?)"
            )
        raise error(
            f"{where}, line {reader.line_num}: expected {what} in UTF-8, got {reason}; "
            "save it as CSV in UTF-8"
        ) from found


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as comma-separated text; what a spreadsheet takes for a formula gets an apostrophe in front."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([table_cell(cell) for cell in row] for row in rows)
    return encodable(stream.getvalue())
