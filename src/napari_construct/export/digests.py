"""Sizes and SHA-256 of written files: a record, a ledger and a resumed run know by them what they wrote."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_construct.exceptions import InputError
from napari_construct.reading.regular import open_regular

_BLOCK: Final = 2**20


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file or an OME-Zarr holds.

    Attributes
    ----------
    size : int
        Bytes.
    sha256 : str
        Of a file, of its bytes. Of an OME-Zarr, see :func:`digest`.
    """

    size: int
    sha256: str


def digest(path: Path) -> Digest:
    """Size and SHA-256 of a file, or of an OME-Zarr.

    The SHA-256 of an OME-Zarr is that of a list: names and sizes of the files of its image, names and
    contents of those of its mask, and its ``zarr.json``. So the mask counts to the last bit, and an image of
    gigabytes is not read. Groups that other programs put in do not count.

    Raises
    ------
    OSError, InputError
        If it cannot be read.
    """
    if not path.is_dir():
        with open_regular(path, "a result's file") as stream:
            found = hashlib.sha256()
            while block := stream.read(_BLOCK):
                found.update(block)
            return Digest(os.fstat(stream.fileno()).st_size, found.hexdigest())
    total, listed = 0, hashlib.sha256()
    for file, whole in _members(path):
        size = file.stat().st_size
        content = hashlib.sha256(file.read_bytes()).hexdigest() if whole else ""
        listed.update(f"{file.relative_to(path).as_posix()}\0{size}\0{content}\n".encode())
        total += size
    return Digest(total, listed.hexdigest())


def is_unchanged(path: Path, size: int, sha256: str) -> bool:
    """Whether a file or an OME-Zarr is as it was written; one that cannot be read is not."""
    try:
        if not path.is_dir() and path.stat().st_size != size:
            return False  # without reading it
        return digest(path) == Digest(size, sha256)
    except (OSError, InputError):
        return False


def _members(root: Path) -> Iterator[tuple[Path, bool]]:
    """Files of an OME-Zarr in a fixed order, and whether their contents count."""
    yield root / "zarr.json", True
    levels = sorted(path for path in root.iterdir() if path.name.isdigit())
    for folder, whole in [*((level, False) for level in levels), (root / "labels" / "tissue", True)]:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path, whole
