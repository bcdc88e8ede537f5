"""Questions about paths that people typed: each has an answer, whatever the system says to the path.

``Path.is_file`` and the like raise where a name is too long, a folder may not be searched, or a link leads to
itself.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from napari_construct.types import PathLike


def is_file(path: PathLike) -> bool:
    """Whether there is a regular file; links are followed."""
    return stat.S_ISREG(mode_of(path))


def is_folder(path: PathLike) -> bool:
    """Whether there is a folder; links are followed."""
    return stat.S_ISDIR(mode_of(path))


def written(path: PathLike) -> tuple[int, int] | None:
    """Time (ns) and size of a file or folder, which tell whether it was written since; None where none is."""
    try:
        found = os.stat(path)  # noqa: PTH116 - of names that no path can have, too
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size


def real_path(path: PathLike) -> str:
    """The path without links, by which places are told apart; itself where the system takes no such name."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return str(path)


def files_in(folder: PathLike) -> tuple[Path, ...]:
    """Files and folders in a folder, sorted; nothing where it cannot be read."""
    try:
        return tuple(sorted(Path(folder).iterdir()))
    except (OSError, ValueError):
        return ()


def size_of(path: PathLike) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return Path(path).stat().st_size
    except (OSError, ValueError):
        return 0


def place_of(path: PathLike) -> tuple[int, int] | None:
    """Equal for all names of a file or folder, also through links; None where there is none."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def mode_of(path: PathLike) -> int:
    """Kind and permissions of what a path leads to; 0 where the system does not tell."""
    try:
        return Path(path).stat().st_mode
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return 0
