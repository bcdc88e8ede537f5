"""Replace several files as one: what names them goes first and comes last."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from napari_construct.export.own_files import move_over, refuse_others
from napari_construct.whole_files import sync_names

Move: TypeAlias = tuple[Path, Path]


def replace_together(members: Sequence[Move], record: Move) -> None:
    """Move finished files to their places, and the record that names them last.

    An earlier record leaves its place before the first move, so that it never stands beside files that it
    does not describe, whenever a kill comes. After an error everything is as it was before.

    Parameters
    ----------
    members : sequence of (Path, Path)
        Each finished file or folder, and its place. All lie on one file system.
    record : (Path, Path)
        The same of the record. Its finished file lies in a folder of the caller's, where earlier files are
        kept until the end.

    Raises
    ------
    ConfigurationError
        If there is a folder that napari-construct did not make.
    OSError
        If the system refuses.
    """
    made, place = record
    kept: list[Move] = []
    created: list[Path] = []
    try:
        _set_aside(place, made.parent, kept)
        sync_names(place.parent)  # a power cut must not bring it back beside what follows
        for new, target in members:
            _keep(target, made.parent, kept)
            empty = not os.path.lexists(target)
            move_over(new, target)
            if empty:
                created.append(target)
        made.replace(place)
    except BaseException:
        for target in created:
            with suppress(OSError):
                _remove(target)
        for before, target in reversed(kept):
            with suppress(OSError):
                before.replace(target)
        raise
    sync_names(place.parent)


def _keep(path: Path, folder: Path, kept: list[Move]) -> None:
    """Keep what is at a place; a file's place is never empty where the file system has second names."""
    if path.is_dir():
        refuse_others([path])
        _set_aside(path, folder, kept)
    elif os.path.lexists(path):
        before = folder / f"before-{len(kept)}"
        with suppress(OSError, NotImplementedError):
            os.link(path, before, follow_symlinks=False)
            kept.append((before, path))


def _set_aside(path: Path, folder: Path, kept: list[Move]) -> None:
    if os.path.lexists(path):
        before = folder / f"before-{len(kept)}"
        path.replace(before)
        kept.append((before, path))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
