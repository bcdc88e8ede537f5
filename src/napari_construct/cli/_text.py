"""Reports as text files and as terminal tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_construct.cli._output import check_report
from napari_construct.reading.names import shown

if TYPE_CHECKING:
    from napari_construct.evaluation.report.table import Table


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
