"""Files that are either complete or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from napari_construct.exceptions import ConstructError
from napari_construct.types import PathLike


@contextmanager
def atomic(path: PathLike) -> Iterator[Path]:
    """Give a temporary path beside ``path``, and move it there when the block ends well.

    The folder is made if it is missing. After an error, a cancel or a full disk the temporary file is
    gone and what was at ``path`` before is untouched.

    Raises
    ------
    ConstructError
        If the system refuses to write, with its reason.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        sync(temporary)
        temporary.replace(path)
        if os.name == "posix":
            sync(path.parent)  # the new name survives a power cut
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConstructError(
            f"{path}: cannot be written ({reason}); free some space or choose another folder"
        ) from error
    finally:
        with suppress(OSError):  # on a broken disk the first error is the one to show
            temporary.unlink(missing_ok=True)


def remove_partials(path: PathLike) -> None:
    """Remove temporary files of killed runs for ``path``; call it only where no other run writes there."""
    path = Path(path)
    for partial in path.parent.glob(f".{escape(path.name)}*.part"):
        with suppress(OSError):
            partial.unlink()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, have reached the disk."""
    # Windows syncs only what is open for writing; a POSIX folder opens only for reading
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
