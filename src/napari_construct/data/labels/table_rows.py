"""Rows of a table that spreadsheets and scripts write: CSV of several encodings and separators."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Final, NamedTuple

from napari_construct.exceptions import DatasetError
from napari_construct.reading.names import normal
from napari_construct.reading.texts.csv import parse_csv
from napari_construct.reading.texts.text import at, decoded, read_bytes

LARGEST: Final = 2**26
"""Bytes: about a million patches."""

_SEPARATORS: Final = ",;\t"


class Row(NamedTuple):
    """Number of a line, from 1, and its cells."""

    line: int
    cells: list[str]


def read_rows(table: Path) -> tuple[list[str], list[Row]]:
    """The header, in composed letters and without outer spaces, and the rows; empty lines are left out.

    Raises
    ------
    DatasetError
        If the file is no table, or a line has another number of cells than the header.
    """
    text = _text(table)
    first, _, rest = text.partition("\n")
    if first[:4].casefold() == "sep=" and first[4:5]:  # a spreadsheet's hint
        separator, skipped, text = first[4], 1, rest
    else:
        separator, skipped = max(_SEPARATORS, key=first.count), 0
    found = parse_csv(text, at(table), "a comma-separated table", DatasetError, separator)
    header = [normal(name).strip() for name in found.header]
    rows = [Row(line + skipped, list(cells)) for line, cells in found.rows]
    while rows and not any(cell.strip() for cell in rows[-1].cells):
        rows.pop()  # spreadsheets leave empty rows below
    for row in rows:
        if len(row.cells) != len(header):
            raise DatasetError(
                f"{table}, line {row.line}: expected {len(header)} values, got {len(row.cells)}; correct it"
            )
    return header, rows


def _text(table: Path) -> str:
    content = read_bytes(table, what="a table", largest=LARGEST, error=DatasetError)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            content = content.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise DatasetError(
                f"{table}: expected a table in UTF-8 or UTF-16, got a damaged one ({error.reason}); save it "
                "as CSV in UTF-8"
            ) from error
    return decoded(content, at(table), "a table", DatasetError)
