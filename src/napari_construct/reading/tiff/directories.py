"""The directories of a TIFF file, counted before a library builds anything from them.

A few hundred bytes can claim a circle of directories, millions of tags or gigabytes of tag values. What is
checked here is the skeleton alone (TIFF 6.0 section 2; BigTIFF; the 64-bit offsets of NDPI).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from napari_construct.exceptions import InputError
from napari_construct.reading.damage import damaged

MAX_DIRECTORIES: Final = 200_000
"""Pages of one kind in a file: planes of a stack."""

MAX_MIXED: Final = 20_000
"""Pages of a file whose pages are not of one kind: to group them takes quadratic time (8 s for 20,000)."""

_MAX_TAGS: Final = 4096
_MAX_TEXT: Final = 64 * 2**20
"""Bytes of one description; an OME-XML of 100,000 planes has 40 MB."""

_SPARE: Final = 64 * 2**20
"""Bytes of tag values that any file may have, besides four times its size (values may be shared)."""

_SIZES: Final = {
    **dict.fromkeys((1, 2, 6, 7), 1),
    **dict.fromkeys((3, 8), 2),
    **dict.fromkeys((4, 9, 11, 13), 4),
    **dict.fromkeys((5, 10, 12, 16, 17, 18), 8),
}
"""Bytes of a value, by its type."""

_TEXTS: Final = frozenset({270, 700, 34377, 42112})
_WIDTH, _LENGTH, _SUB_DIRECTORIES = 256, 257, 330
_KIND: Final = frozenset({_WIDTH, _LENGTH, 258, 259, 262, 266, 277, 284, 317, 322, 323, 339})
"""Tags in which pages of one kind agree."""
_NDPI: Final = 65420
_READ_LATER: Final = frozenset({320, 34675, 34377, 700, 33723, 37724, 65426, 65432})
"""Large values that many pages may share, and that are read only when they are asked for."""


@dataclass(frozen=True, slots=True)
class _Format:
    """How numbers of a directory are packed."""

    order: str
    count: str  # of tags
    offset: str  # of the next directory
    inside: int  # bytes of a value that lie in the tag itself
    ndpi: bool = False

    @property
    def entry(self) -> int:
        return 20 if self.inside == 8 else 12


@dataclass(slots=True)
class _Tally:
    directories: int = 0
    inner: int = 0  # directories of directories
    value_bytes: int = 0
    kinds: set[bytes] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    areas: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Directories:
    """What the directories of a TIFF say, before anything is built from them.

    Attributes
    ----------
    ndpi : bool
        Whether the file is an NDPI, whose offsets have 64 bits.
    areas : tuple of int
        Pixels of each page.
    """

    ndpi: bool
    areas: tuple[int, ...]


def check_directories(path: Path, stream: BinaryIO) -> Directories:
    """Refuse a TIFF whose directories form a circle, are too many, or claim too much.

    Raises
    ------
    InputError
        If it is no TIFF, or damaged so that it cannot be read within bounds.
    """
    size = stream.seek(0, 2)
    layout, offset = _header(path, stream, size)
    tally = _Tally()
    if not offset:
        raise damaged(path, "it has no directory")
    while offset:
        if offset in tally.seen:
            raise damaged(path, "its directories form a circle")
        tally.seen.add(offset)
        offset = _directory(path, stream, size, layout, offset, tally)
    return Directories(layout.ndpi, tuple(tally.areas))


def _header(path: Path, stream: BinaryIO, size: int) -> tuple[_Format, int]:
    stream.seek(0)
    start = stream.read(16).ljust(16, b"\0")
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    version = struct.unpack((order or "<") + "H", start[2:4])[0]
    if order is None or version not in (42, 43):
        raise InputError(f"{path}: expected a TIFF file, got something else; convert it to TIFF or PNG")
    if version == 43:
        return _Format(order, "Q", "Q", 8), struct.unpack(order + "Q", start[8:])[0]
    wide = struct.unpack(order + "Q", start[4:12])[0]
    ndpi = _Format(order, "H", "Q", 4, ndpi=True)
    if order == "<" and _is_ndpi(stream, size, wide):
        return ndpi, wide
    narrow = struct.unpack(order + "I", start[4:8])[0]
    # below 4 GB the high bytes may be anything
    if order == "<" and _is_ndpi(stream, size, narrow):
        return ndpi, narrow
    return _Format(order, "H", "I", 4), narrow


def _is_ndpi(stream: BinaryIO, size: int, offset: int) -> bool:
    """Whether a little-endian directory has the tag of NDPI, and an offset of 64 bits after it."""
    if not 8 <= offset < size - 2:
        return False
    stream.seek(offset)
    count = int.from_bytes(stream.read(2), "little")
    entries = stream.read(12 * count) if count <= _MAX_TAGS else b""
    codes = {int.from_bytes(entries[i : i + 2], "little") for i in range(0, len(entries), 12)}
    following = int.from_bytes(stream.read(8), "little")
    return _NDPI in codes and following < size


def _directory(path: Path, stream: BinaryIO, size: int, layout: _Format, offset: int, tally: _Tally) -> int:
    """Count one directory; the offset of the next one, 0 after the last."""
    tally.directories += 1
    if not 8 <= offset < size:
        raise damaged(path, f"a directory would lie at byte {offset:,}, the file ends at byte {size:,}")
    stream.seek(offset)
    head = struct.calcsize("=" + layout.count)
    raw = stream.read(head)
    count = struct.unpack(layout.order + layout.count, raw)[0] if len(raw) == head else 0
    if not 0 < count <= _MAX_TAGS:
        raise damaged(path, f"a directory of {count:,} tags")
    following = struct.calcsize("=" + layout.offset)
    length = count * layout.entry
    entries = stream.read(length + following)
    if len(entries) < length:
        raise damaged(path, "it ends in a directory")
    sides, page = {_WIDTH: 1, _LENGTH: 1}, b""
    for start in range(0, length, layout.entry):
        entry = entries[start : start + layout.entry]
        _count_tag(path, size, layout, entry, tally)
        code, kind = struct.unpack(layout.order + "HH", entry[:4])
        if code in sides and kind in (3, 4):
            value = layout.order + ("H" if kind == 3 else "I")
            sides[code] = struct.unpack_from(value, entry, layout.entry - layout.inside)[0]
        if code in _KIND and 1 in (entry[4], entry[3 + layout.inside]):  # one value, which lies in the tag
            page += entry
    tally.kinds.add(page)
    most = MAX_DIRECTORIES if len(tally.kinds) == 1 and not tally.inner else MAX_MIXED
    if tally.directories + tally.inner > most:
        raise InputError(f"{path}: expected at most {most:,} pages, got more; split the file")
    tally.areas.append(sides[_WIDTH] * sides[_LENGTH])
    after = entries[length:]
    return struct.unpack(layout.order + layout.offset, after)[0] if len(after) == following else 0


def _count_tag(path: Path, size: int, layout: _Format, entry: bytes, tally: _Tally) -> None:
    code, kind = struct.unpack(layout.order + "HH", entry[:4])
    number = layout.order + ("Q" if layout.inside == 8 else "I")
    count = struct.unpack(number, entry[4 : 4 + layout.inside])[0]
    length = count * _SIZES.get(kind, 0)
    if code == _SUB_DIRECTORIES and length <= size:
        tally.inner += count
    if length <= layout.inside or length > size:
        return  # a tag that claims more than there is is left out by the library
    if code in _TEXTS and length > _MAX_TEXT:
        raise damaged(path, f"a description of {length:,} bytes")
    if code not in _READ_LATER:
        tally.value_bytes += length
    if tally.value_bytes > 4 * size + _SPARE:
        raise damaged(path, "its tags claim more than the file holds")
