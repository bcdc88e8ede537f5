"""Which files and folders belong to one slide, of formats that scatter a slide over several.

MRXS keeps its pixels in a folder of the same name; VMS and VMU name the files of theirs; the levels of a
slide in DICOM are files of one series. None of them is opened by a library here: a few bytes tell.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from napari_construct.exceptions import InputError
from napari_construct.reading.places import files_in, is_folder
from napari_construct.reading.regular import open_regular

SLIDE_SUFFIXES: Final = frozenset({".mrxs", ".svslide", ".dcm", ".dicom", ".vms", ".vmu", ".czi"})
"""Suffixes of slides that are no images to other readers, in any case."""

SCANNER_SUFFIXES: Final = frozenset({".svs", ".ndpi", ".scn", ".bif"})
"""Suffixes of slides that are TIFFs as well, so that readers of images know them."""

DICOM_SUFFIXES: Final = frozenset({".dcm", ".dicom"})

_LISTS: Final = frozenset({".vms", ".vmu"})
_LONGEST_LIST: Final = 2**20
_HEAD: Final = 2**20
_DEEPEST: Final = 16
_PREAMBLE: Final = 128
_UNDEFINED: Final = 0xFFFFFFFF
_LONG: Final = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT"})
"""Types of values whose length takes four bytes (DICOM PS3.5, 7.1.2)."""
_SYNTAX, _SERIES = (0x0002, 0x0010), (0x0020, 0x000E)
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_IMPLICIT: Final = b"1.2.840.10008.1.2"
_LITTLE: Final = b"1.2.840.10008.1.2."
_OTHERS: Final = frozenset({b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99"})
"""Big endian and deflated, which no scanner writes."""


def parts_of(slide: Path) -> tuple[Path, ...]:
    """Files and folders that belong to a slide beside the file that is opened; nothing for most formats."""
    suffix = slide.suffix.lower()
    if suffix == ".mrxs":
        folder = slide.with_suffix("")
        return (folder,) if is_folder(folder) else ()
    if suffix in _LISTS:
        return _named_in(slide)
    if suffix in DICOM_SUFFIXES:
        series = dicom_series(slide)
        if series is None:
            return ()
        beside = (path for path in files_in(slide.parent) if path.suffix.lower() in DICOM_SUFFIXES)
        return tuple(path for path in beside if path != slide and dicom_series(path) == series)
    return ()


def parts_among(paths: Iterable[Path]) -> set[Path]:
    """Those of the files and folders in one folder that belong to slides beside them.

    Of a series in DICOM that is all but the first file.
    """
    found: set[Path] = set()
    series: set[str] = set()
    for path in paths:
        suffix = path.suffix.lower()
        if suffix in DICOM_SUFFIXES:
            name = dicom_series(path)
            if name in series:
                found.add(path)
            elif name is not None:
                series.add(name)
        elif suffix in SLIDE_SUFFIXES:
            found.update(parts_of(path))
    return found


def is_dicom_folder(folder: Path) -> bool:
    """Whether a folder holds files of DICOM and nothing else: as people keep a slide in DICOM."""
    files = [path for path in files_in(folder) if not path.name.startswith(".")]
    return bool(files) and all(path.suffix.lower() in DICOM_SUFFIXES for path in files)


def dicom_series(path: Path) -> str | None:
    """The Series Instance UID of a DICOM file; None of anything else."""
    try:
        with open_regular(path, "a DICOM file") as stream:
            head = stream.read(_HEAD)
    except (InputError, OSError):
        return None
    if head[_PREAMBLE : _PREAMBLE + 4] != b"DICM":
        return None
    try:
        return _series_in(head)
    except (struct.error, ValueError):
        return None


def _named_in(path: Path) -> tuple[Path, ...]:
    """Files beside a list that it names as ``Key=name``."""
    try:
        with open_regular(path, "a list of a slide's files") as stream:
            lines = stream.read(_LONGEST_LIST).decode("latin-1").splitlines()
    except (InputError, OSError):
        return ()
    names = {value.strip() for _, equals, value in (line.partition("=") for line in lines) if equals}
    return tuple(found for found in files_in(path.parent) if found.name in names and found != path)


def _series_in(head: bytes) -> str | None:
    at, syntax = _PREAMBLE + 4, b""
    while True:
        tag = struct.unpack_from("<HH", head, at)
        meta = tag[0] == _SYNTAX[0]
        if not meta and (not syntax.startswith((_IMPLICIT, _LITTLE)) or syntax in _OTHERS):
            return None
        length, at = _length(head, at, explicit=meta or syntax != _IMPLICIT)
        value = b"" if length == _UNDEFINED else head[at : at + length].rstrip(b"\0 ")
        if tag == _SYNTAX:
            syntax = value
        if tag == _SERIES:
            return value.decode("ascii") or None if at + length <= len(head) else None
        if tag > _SERIES:
            return None
        at = _after(head, at, explicit=meta or syntax != _IMPLICIT) if length == _UNDEFINED else at + length


def _length(head: bytes, at: int, *, explicit: bool) -> tuple[int, int]:
    """Length of the value of an element, and where the value begins."""
    if not explicit:
        return struct.unpack_from("<I", head, at + 4)[0], at + 8
    if head[at + 4 : at + 6] in _LONG:
        return struct.unpack_from("<I", head, at + 8)[0], at + 12
    return struct.unpack_from("<H", head, at + 6)[0], at + 8


def _after(head: bytes, at: int, *, explicit: bool, depth: int = 0) -> int:
    """Where a sequence of undefined length ends."""
    if depth > _DEEPEST:
        raise ValueError("expected sequences within each other of a usual depth")
    while True:
        group, element, length = struct.unpack_from("<HHI", head, at)
        at += 8
        if (group, element) == _SEQUENCE_END:
            return at
        if (group, element) != _ITEM:
            raise ValueError("expected an item of a sequence")
        at = _after_item(head, at, explicit=explicit, depth=depth) if length == _UNDEFINED else at + length


def _after_item(head: bytes, at: int, *, explicit: bool, depth: int) -> int:
    while struct.unpack_from("<HH", head, at) != _ITEM_END:
        length, at = _length(head, at, explicit=explicit)
        at = _after(head, at, explicit=explicit, depth=depth + 1) if length == _UNDEFINED else at + length
    return at + 8
