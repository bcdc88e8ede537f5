"""Metadata and arrays of a Zarr folder that may be anybody's: only its own regular files are opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Final

import zarr

from napari_construct.data.limits import damaged

_METADATA: Final = ("zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata")
_LONGEST_METADATA: Final = 2**22


def check_metadata(folder: Path) -> None:
    """Refuse metadata that are no files, or longer than any image's.

    Raises
    ------
    ValueError
        With what is wrong.
    OSError
        If a link leads nowhere.
    """
    for name in _METADATA:
        file = folder / name
        if os.path.lexists(file):
            found = file.stat()
            if not stat.S_ISREG(found.st_mode) or found.st_size > _LONGEST_METADATA:
                raise ValueError(f"{name} is no file of metadata of at most 4 MB")


def array_of_level(path: Path, group: Any, name: str) -> Any:
    """The array of a level, opened; nothing of it is decoded.

    Parameters
    ----------
    path : Path
        Folder of the group.
    group : zarr.Group
        Whose metadata name the level.
    name : str
        Path of the level in the group.

    Raises
    ------
    InputError
        If it lies outside of the group, or is no array.
    ValueError, OSError
        As of :func:`check_metadata`.
    """
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in name:
        raise damaged(path, f"a level lies at {name[:80]!r}, outside of the image")
    for count in range(1, len(parts) + 1):
        check_metadata(path.joinpath(*parts[:count]))
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise damaged(path, f"level {name[:80]} is no array")
    return array
