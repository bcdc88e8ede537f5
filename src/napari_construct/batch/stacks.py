"""Joins the results of the planes of a stack: masks into one file, cells into one result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from napari_construct.batch.entries import Entry, Joined
from napari_construct.batch.plan import Plan
from napari_construct.classes import ClassTable
from napari_construct.events import Doubt, Notice, Steps
from napari_construct.export.digests import digest
from napari_construct.export.own_files import refuse_others
from napari_construct.results.cell_stack import write_cell_stack
from napari_construct.results.files import write_stack

Files = Mapping[str, Path]

_SHOWN: Final = ("mask", "cells")
"""Which of the files stands for a joined result: the first that is there."""


def join_steps(
    plan: Plan, entries: Sequence[Entry], classes: ClassTable, *, overwrite: bool
) -> Steps[dict[str, Files]]:
    """Join the planes of each stack of which at least one is done; what somebody worked on stays.

    Parameters
    ----------
    plan : Plan
        Of the run.
    entries : sequence of Entry
        Of its sources, in their order.
    classes : ClassTable
        Of the masks.
    overwrite : bool
        Also replace files that napari-construct did not make, or that somebody worked on.

    Yields
    ------
    Notice
        Why a plane is left out.

    Returns
    -------
    dict of str to mapping of str to Path
        The joined files by kind, by the stem of their stack.
    """
    joined: dict[str, Files] = {}
    for stem, paths in plan.stacks.items():
        of_stack = [(s, e) for s, e in zip(plan.sources, entries, strict=True) if s.stack == stem]
        done = {
            s.plane: {kind: plan.output / name for kind, name in e.files.items()}
            for s, e in of_stack
            if e.state == "done"
        }
        if not done:
            continue
        written = overwrite or stem not in plan.kept
        if written:
            planes = [done.get(i, {}) for i in range(of_stack[0][0].planes)]
            for text in _write(paths, planes, classes, overwrite=overwrite):
                yield Notice("images", len(entries), len(entries), Doubt(text))
        joined[stem] = {kind: path for kind, path in paths.items() if path.exists()}
        if written:
            for kind, path in joined[stem].items():
                found = digest(path)
                plan.ledger.set(Joined(stem, found.size, found.sha256, kind))
    return joined


def shown_files(joined: Mapping[str, Files]) -> dict[str, Path]:
    """The file that stands for each joined result: its mask, without one its cells."""
    found = {
        stem: next((files[kind] for kind in _SHOWN if kind in files), None) for stem, files in joined.items()
    }
    return {stem: path for stem, path in found.items() if path is not None}


def _write(paths: Files, planes: Sequence[Files], classes: ClassTable, *, overwrite: bool) -> tuple[str, ...]:
    if "cells" in paths:
        return write_cell_stack(paths, planes, overwrite=overwrite)
    refuse_others(paths.values(), overwrite=overwrite)
    write_stack(paths["mask"], [files.get("mask") for files in planes], classes, None)
    return ()
