"""Files that are either complete or not there."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Final

from napari_construct.reading.marks import HIDDEN
from napari_construct.types import PathLike

_END: Final = ".part"


@contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Give a temporary path beside ``path``, and move it there when the block ends well.

    After an error, a cancel or a full disk the temporary file is gone and what was at ``path`` before is
    untouched.

    Raises
    ------
    OSError
        If the system refuses to write.
    """
    path = Path(path)
    temporary = path.with_name(f"{_start(path)}{secrets.token_hex(4)}{_END}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync_names(path.parent)  # the new name survives a power cut
    finally:
        with suppress(OSError):  # on a broken disk the first error is the one to show
            temporary.unlink(missing_ok=True)


def remove_partials(path: PathLike) -> None:
    """Remove temporary files of killed runs for ``path``; call it only where no other run writes there."""
    path = Path(path)
    for start in (_start(path), f".{path.name}."):  # the second is of earlier versions
        for partial in path.parent.glob(f"{escape(start)}*{_END}"):
            with suppress(OSError):
                partial.unlink()


def _start(path: Path) -> str:
    # not the name itself: with more around it, a long name would be too long
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]
    return f"{HIDDEN}{name}-"


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, have reached the disk."""
    # Windows syncs only what is open for writing; a POSIX folder opens only for reading
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_names(folder: Path) -> None:
    """Wait until the names in a folder have reached the disk, where the system lets one."""
    if os.name == "posix":
        sync(folder)
