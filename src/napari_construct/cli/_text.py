"""Reports as text files and as terminal tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_construct.cli._output import STDOUT, check_report, say, write_json
from napari_construct.reading.names import shown

if TYPE_CHECKING:
    from napari_construct.evaluation.report.table import Table


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where a report goes: ``--json`` (``-`` is standard output), ``--markdown``, ``--html``."""

    json: str | None
    markdown: Path | None
    html: Path | None

    def check(self, *inputs: Path | str | None) -> None:
        """Check that the text files can be written and replace no input."""
        check_text(self.markdown, "--markdown", *inputs)
        check_text(self.html, "--html", *inputs)


def write_report(
    content: Mapping[str, Any],
    files: ReportFiles,
    *,
    markdown: Callable[[], str],
    html: Callable[[], str],
    said: str,
    tables: Iterable[Table],
) -> None:
    """Write the files, then print the tables, unless JSON goes to standard output."""
    write_json(files.json, content)
    if files.markdown is not None:
        write_text(files.markdown, markdown())
    if files.html is not None:
        write_text(files.html, html())
    if files.json != STDOUT:
        say(said)
        for table in tables:
            print_table(table)


def check_text(target: Path | None, option: str, *inputs: Path | str | None) -> None:
    """Check that a text file can be written and replaces nothing but an earlier report."""
    if target is not None:
        check_report(target, option, *inputs)


def write_text(target: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    from napari_construct.export.atomic import atomic
    from napari_construct.reading.names import encodable

    with atomic(target) as temporary:
        temporary.write_text(encodable(text), encoding="utf-8")


def print_table(table: Table) -> None:
    """Print a table with its title and note."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Grid

    note = shown(table.note) if table.note else None
    grid = Grid(title=shown(table.title), caption=note, title_justify="left", caption_justify="left")
    grid.box = box.SIMPLE_HEAD
    for i, column in enumerate(table.columns):
        grid.add_column(shown(column), justify="left" if i == 0 else "right")
    for i, row in enumerate(table.rows):
        if i == len(table.rows) - table.strong:
            grid.add_section()
        grid.add_row(*map(shown, row))
    console = Console(highlight=False, markup=False)
    console.print(grid)
    console.print()
