"""Reports as text files and as terminal tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_construct.cli._output import check_folder
from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.names import shown

if TYPE_CHECKING:
    from napari_construct.evaluation.report.tables import Table


def check_text(target: Path | None, option: str) -> None:
    """Check that a text file can be written, before any work is done."""
    if target is not None:
        if target.is_dir():
            raise ConfigurationError(f"{target}: expected a file for {option}, got a folder; add a file name")
        check_folder(target.parent)


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
