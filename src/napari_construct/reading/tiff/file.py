"""Open TIFF files so that only the file that was asked for is read, within bounds.

Every reader of the package opens TIFF files here: images, masks, results, and whoever asks who made a file.
"""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import tifffile

from napari_construct.reading.damage import damaged
from napari_construct.reading.regular import open_regular
from napari_construct.reading.tiff.directories import check_directories
from napari_construct.reading.tiff.xml import check_description, other_files

__all__ = ["open_tiff", "other_files"]

# what tifffile has to say of unusual files is said by our errors and notices
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_ERRORS: Final = (
    tifffile.TiffFileError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    MemoryError,
    struct.error,
)

_OFF: Final = dict.fromkeys(("is_mmstack", "is_ndtiff", "is_micromanager", "is_scanimage", "is_eer"), False)
"""Kinds of TIFF that follow names of other files, or build pages without directories."""


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a regular TIFF file whose directories and XML have been checked.

    Of a set of OME-TIFF files the pages of this one are found; no other file is ever opened.

    Raises
    ------
    InputError
        If it cannot be opened, is no TIFF, or is damaged.
    """
    with open_regular(path) as stream:
        found = check_directories(path, stream)
        with _open(path, stream, is_ndpi=found.ndpi) as tif:
            description = _first(path, tif).description
            if not tif.is_ome or not other_files(description, path.name):
                check_description(path, description, found.areas)
                yield tif
                return
        with _open(path, stream, is_ndpi=found.ndpi, is_ome=False) as tif:
            yield tif


def _first(path: Path, tif: tifffile.TiffFile) -> tifffile.TiffPage:
    try:
        return tif.pages.first
    except IndexError as error:
        raise damaged(path, "no image inside") from error


def _open(path: Path, stream: BinaryIO, **flags: bool) -> tifffile.TiffFile:
    stream.seek(0)
    try:
        source: Any = _Unnamed(stream)
        kinds: dict[str, Any] = {**_OFF, **flags}
        return tifffile.TiffFile(source, name=path.name, **kinds)
    except _ERRORS as error:
        raise damaged(path, error) from error


class _Unnamed(io.RawIOBase):
    """The bytes of a file without its name and descriptor: nothing beside it can be found from them."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int | None = -1) -> bytes:
        return self._stream.read(-1 if size is None else size)

    def readinto(self, buffer: Any) -> int:
        part = memoryview(buffer).cast("B")
        return self._stream.readinto(part)  # type: ignore[attr-defined, no-any-return]
