"""The XML in the description of a TIFF: how much it claims, and which other files it names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from napari_construct.reading.damage import damaged

MAX_CLAIMED: Final = 5_000_000
"""Planes that the XML of one file may speak of; a list of them is built."""

_COUNTS: Final = frozenset(
    {"SizeC", "SizeZ", "SizeT", "SamplesPerPixel", "IFD", "NumPlanes", "PlaneCount"}
    | {"FirstC", "FirstZ", "FirstT", "c", "z", "r", "ifd"}
)


def other_files(description: str, name: str) -> tuple[str, ...]:
    """Names of other files that the OME-XML of a file says hold pixels or the description.

    ``UUID`` elements with the identifier of this file, or without one the name of this file, mean the file
    itself; all others name other files, as does ``BinaryOnly``.
    """
    names: dict[str, None] = {}
    own: str | None = None
    try:
        for _, tag, element in _elements(description):
            file = element.get("FileName", "another file")
            if tag == "OME":
                own = (element.get("UUID") or "").strip() or None
            elif tag == "BinaryOnly":
                names[element.get("MetadataFile", "another file")] = None
            elif tag == "UUID" and not (
                (element.text or "").strip() == own if own else file.lower() == name.lower()
            ):
                names[file] = None
    except (ET.ParseError, ValueError, RecursionError):
        return ()
    return tuple(names)


def check_description(path: Path, description: str, areas: Sequence[int]) -> None:
    """Refuse XML that claims absurdly many planes, or brings entities.

    Parameters
    ----------
    path : Path
        The file, for the error.
    description : str
        Of the first page.
    areas : sequence of int
        Pixels of each page: a reader divides what the XML claims by the size of the pages it names.

    Raises
    ------
    InputError
        If it does. XML that does not parse is left to whoever reads it.
    """
    if not description.lstrip("\ufeff \t\r\n").startswith("<"):
        return
    if "<!DOCTYPE" in description or "<!ENTITY" in description:
        raise damaged(path, "XML with entities of its own")
    claimed, smallest = 0, max(areas, default=1)
    try:
        for event, tag, element in _elements(description):
            if tag == "TiffData":
                smallest = min([smallest, *_named(element.attrib, areas)])
            elif event == "end" or tag == "OME":
                claimed += _claimed(tag, element.attrib, max(1, smallest))
            if tag == "Pixels":
                smallest = max(areas, default=1)
            if claimed > MAX_CLAIMED or max(_numbers(element.attrib).values(), default=0) > MAX_CLAIMED:
                raise damaged(path, f"more than {MAX_CLAIMED:,} planes in its XML")
    except (ET.ParseError, RecursionError):
        return


def _elements(description: str) -> Iterator[tuple[str, str, Any]]:
    """Event, name and element: the root as it starts, all others as they end; forgotten one after another."""
    parser: Any = ET.XMLPullParser(("start", "end"))
    for start in range(0, len(description), 2**16):
        parser.feed(description[start : start + 2**16])
        for event, element in parser.read_events():
            tag = element.tag.rpartition("}")[2]
            if (event == "start") == (tag == "OME"):
                yield event, tag, element
            if event == "end":
                element.clear()


def _named(attributes: dict[str, str], areas: Sequence[int]) -> Sequence[int]:
    """Pixels of each page that a ``TiffData`` names."""
    numbers = _numbers(attributes)
    first = numbers.get("IFD", 0)
    count = numbers.get("PlaneCount", numbers.get("NumPlanes", 1 if "IFD" in attributes else 0))
    return areas[first : first + count] if count else areas[first:]


def _claimed(tag: str, attributes: dict[str, str], area: int) -> int:
    """Planes that an element makes a reader prepare for."""
    if tag == "Pixels":
        return math.prod(max(1, _whole(attributes.get(f"Size{axis}", "1"))) for axis in "CZTYX") // area
    if tag == "dimension":
        numbers = _numbers(attributes)
        return (numbers.get("c", 0) + 1) * (numbers.get("z", 0) + 1)
    return _along(attributes) if tag.startswith("Along") else 0


def _numbers(attributes: dict[str, str]) -> dict[str, int]:
    return {name: _whole(text) for name, text in attributes.items() if name in _COUNTS}


def _along(attributes: dict[str, str]) -> int:
    try:
        start, end, step = (float(attributes.get(n, 1)) for n in ("Start", "End", "Step"))
        return math.ceil(abs(end - start) / abs(step))
    except (ValueError, ZeroDivisionError, OverflowError):
        return MAX_CLAIMED + 1


def _whole(text: str) -> int:
    try:
        return abs(int(text)) if len(text) <= 20 else MAX_CLAIMED * 1000
    except ValueError:
        return 0
