"""The marks of napari-construct: its name in pictures that it wrote, and at the start of hidden files.

Only a few bytes are read, whatever a file says of itself: folders of many thousands are looked through.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final

from napari_construct.exceptions import InputError
from napari_construct.reading.regular import open_regular

SOFTWARE: Final = "napari-construct"
HIDDEN: Final = f".{SOFTWARE}-"
"""How names of half-written files and folders begin; no reader takes them for results."""

_PNG_TEXT: Final = f"tEXtSoftware\0{SOFTWARE}".encode("latin-1")
_HEAD: Final = 4096
_MOST_TAGS: Final = 4096
_SOFTWARE_TAG, _ASCII = 305, 2


def has_mark(path: Path) -> bool:
    """Whether a PNG or TIFF says that napari-construct wrote it; False for what cannot be read."""
    try:
        with open_regular(path) as stream:
            head = stream.read(_HEAD)
            if head.startswith(b"\x89PNG"):
                return _PNG_TEXT in head
            order = {b"II": "<", b"MM": ">"}.get(head[:2])
            return order is not None and _software(stream, head, order) == SOFTWARE.encode()
    except (InputError, OSError, struct.error, OverflowError, ValueError):
        return False


def _software(stream: BinaryIO, head: bytes, order: str) -> bytes | None:
    """The tag Software of the first directory of a TIFF or BigTIFF (TIFF 6.0, section 2)."""
    big = struct.unpack_from(order + "H", head, 2)[0] == 43
    (offset,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    number = struct.Struct(order + ("Q" if big else "H"))
    stream.seek(offset)
    (count,) = number.unpack(stream.read(number.size))
    table = stream.read(min(count, _MOST_TAGS) * entry.size)
    for tag, kind, length, value in entry.iter_unpack(table[: len(table) // entry.size * entry.size]):
        if tag == _SOFTWARE_TAG and kind == _ASCII:
            if length > len(value):
                stream.seek(struct.unpack(order + ("Q" if big else "I"), value)[0])
                return stream.read(min(length, _HEAD)).rstrip(b"\0")
            return bytes(value[:length]).rstrip(b"\0")
    return None
