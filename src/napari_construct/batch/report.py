"""What came of a batch: in memory, and as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from napari_construct.batch.entries import Entry
from napari_construct.batch.summary import ClassTotal
from napari_construct.classes import ClassTable
from napari_construct.export.atomic import atomic
from napari_construct.export.own_files import TABLE_COLUMNS
from napari_construct.reading.texts.csv import csv_text
from napari_construct.results.areas import PERCENT_OF_TISSUE

TABLE_NAME: Final = "batch.csv"

_CELLS: Final = "cells"
_QUANTITIES: Final = (PERCENT_OF_TISSUE, "pixels", "mm2")
"""Columns of each class in the table, behind its name."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """Results of a batch.

    Attributes
    ----------
    entries : tuple of Entry
        One for each image, in order.
    resumed : frozenset of str
        Keys of the images that an earlier run finished.
    stacks : mapping
        Stem of each stack to the file of its joined mask; without masks, to that of its joined cells.
    output : Path
        The folder.
    cells : Path or None
        The table of the cells of all images, of a student on one channel.
    joined : mapping
        Stem of each stack to its joined files by kind.
    totals : tuple of ClassTotal
        Over all images: each class, and last all tissue.
    """

    entries: tuple[Entry, ...]
    resumed: frozenset[str]
    stacks: Mapping[str, Path]
    output: Path
    cells: Path | None = None
    joined: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    totals: tuple[ClassTotal, ...] = ()

    def __repr__(self) -> str:
        return f"BatchReport({len(self.done)} done, {len(self.failed)} failed; in {self.output})"

    @property
    def done(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.state == "done")

    @property
    def warned(self) -> tuple[Entry, ...]:
        """Images that something was said about."""
        return tuple(entry for entry in self.entries if entry.warnings)

    @property
    def failed(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.state == "failed")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "output": str(self.output),
            "items": [
                {
                    "item": entry.key,
                    "state": "resumed" if entry.key in self.resumed else entry.state,
                    "error": entry.error,
                    "warnings": list(entry.warnings),
                    "files": {kind: str(self.output / name) for kind, name in entry.files.items()},
                    "areas": list(entry.areas),
                    "seconds": entry.seconds,
                }
                for entry in self.entries
            ],
            "stacks": {stem: str(path) for stem, path in self.stacks.items()},
            "joined": {
                stem: {kind: str(path) for kind, path in files.items()} for stem, files in self.joined.items()
            },
            "summary": {
                "done": len(self.done),
                "resumed": len(self.resumed),
                "failed": len(self.failed),
                "areas": [total.to_dict() for total in self.totals],
            },
            **({} if self.cells is None else {"cells": str(self.cells)}),
        }


def write_table(path: Path, entries: Sequence[Entry], resumed: frozenset[str], classes: ClassTable) -> None:
    """Write a CSV with one row per image: state, error, seconds, warnings, areas of each class, cells."""
    columns = [*TABLE_COLUMNS, "warnings"]
    counted = any(_CELLS in area for entry in entries for area in entry.areas)
    for name in classes.names:
        columns += [*(f"{name} {quantity}" for quantity in _QUANTITIES)]
    columns += [_CELLS] * counted
    rows: list[list[Any]] = [columns]
    for entry in entries:
        state = "resumed" if entry.key in resumed else entry.state
        row: dict[str, Any] = {"item": entry.key, "state": state, "error": entry.error}
        row |= {"seconds": f"{entry.seconds:.2f}", "warnings": " | ".join(entry.warnings)}
        for area in entry.areas:
            row |= {_CELLS: area[_CELLS]} if _CELLS in area else {}
            for quantity in _QUANTITIES:
                if quantity in area:
                    row[f"{area['class']} {quantity}"] = area[quantity]
        rows.append([row.get(column, "") for column in columns])
    with atomic(path) as temporary:
        temporary.write_text(csv_text(rows), encoding="utf-8")
