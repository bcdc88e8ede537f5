"""The end of a zip file, which says how long its directory is; looked at before the directory is read."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import BinaryIO, Final

LARGEST_DIRECTORY: Final = 2**16
"""Bytes; the archives of this package have three members at most."""

_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END_64: Final = struct.Struct("<4sQ2H2L4Q")


def check_directory(stream: BinaryIO) -> int:
    """Refuse a zip file with a long directory, or with anything behind it; returns the file's size.

    A directory of a million members takes a minute and a gigabyte to read.

    Parameters
    ----------
    stream : binary file
        Rewound afterwards.

    Raises
    ------
    zipfile.BadZipFile
        If it is no zip file, or no archive that this package wrote.
    """
    size = stream.seek(0, io.SEEK_END)
    start = max(size - _END.size - _LOCATOR.size - _END_64.size, 0)
    stream.seek(start)
    tail = stream.read()
    stream.seek(0)
    if len(tail) < _END.size:
        raise zipfile.BadZipFile("it is too short")
    mark, *_, length, _, comment = _END.unpack(tail[-_END.size :])
    if mark != b"PK\x05\x06" or comment:
        raise zipfile.BadZipFile("it does not end as an archive does")
    if len(tail) == _END.size + _LOCATOR.size + _END_64.size:  # files of more than 4 GiB
        located = tail[_END_64.size : -_END.size].startswith(b"PK\x06\x07")
        if located:
            length = _END_64.unpack(tail[: _END_64.size])[8]
    if length > LARGEST_DIRECTORY:
        raise zipfile.BadZipFile(f"a directory of {length} bytes")
    return size
