"""What TIFF files of several writers call their channels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from napari_construct.data.tiff.xml_text import LONGEST, elements
from napari_construct.reading.foreign import harmless
from napari_construct.reading.texts.json import json_or_none

_PAGE_NAME: Final = 285
_BIOMARKER: Final = re.compile(r"<(?:Biomarker|Name)>\s{0,20}([^<]{1,200}?)\s{0,20}</(?:Biomarker|Name)>")
_LONGEST_JSON: Final = 500_000
_OF_IMAGEJ: Final = re.compile(r"^c:\d+/\d+(?:\s+z:\d+/\d+)?(?:\s+t:\d+/\d+)?\s*(?:-\s*)?")


def channel_names_of_tiff(tif: Any, series: Any, count: int) -> tuple[str, ...]:
    """Names of the channels of an image; nothing where the file does not name each of them.

    Asked in this order: OME-XML, the labels of ImageJ, the description of tifffile, and names of pages
    (PageName of TIFF 6.0, QPTIFF's biomarkers, targets of MIBI).

    Parameters
    ----------
    tif : TiffFile
        The open file.
    series : TiffPageSeries
        The image.
    count : int
        Its channels.
    """
    page = series.keyframe
    first = str(tif.pages.first.description or "")[:LONGEST]
    found: Sequence[Any]
    for found in (
        from_ome(first, page.imagelength, page.imagewidth, count),
        from_labels((tif.imagej_metadata or {}).get("Labels")),
        from_json(first),
    ):
        if len(found) == count and any(found):
            return _cleaned(found)
    if len(series.pages) == count > 1:
        named = [_of_page(each) for each in series.pages]
        if any(named):
            return _cleaned(named)
    return ()


def from_ome(xml: str, height: int, width: int, count: int) -> list[str]:
    """Names of the ``Channel`` elements of the first ``Pixels`` of this size with so many channels.

    Source: OME-XML schema 2016-06. A channel without a name may name its fluorophore.
    """
    images: list[tuple[dict[str, str], list[str]]] = []
    for tag, named in elements("Pixels|Channel", xml):
        if tag == "Pixels":
            images.append((named, []))
        elif images:
            samples = named.get("SamplesPerPixel", "1")
            name = named.get("Name") or named.get("Fluor") or ""
            images[-1][1].extend([name] * (1 if not samples.isdecimal() or samples == "1" else 0))
    sides = (str(height), str(width))
    fitting = (n for p, n in images if (p.get("SizeY"), p.get("SizeX")) == sides and len(n) == count)
    return next(fitting, [])


def from_labels(labels: Any) -> list[str]:
    """Labels of ImageJ's slices, without the position that it writes before them."""
    if not isinstance(labels, list | tuple):
        return []
    lines = (str(label)[:1000].strip().split("\n")[0] for label in labels[:1000])
    return [_OF_IMAGEJ.sub("", line) for line in lines]


def from_json(text: str) -> list[Any]:
    """``Channel`` with ``Name``, ``Labels`` or ``channel_names`` of a description in JSON."""
    if len(text) > _LONGEST_JSON or not text.lstrip().startswith("{"):
        return []
    named = json_or_none(text) or {}
    if not isinstance(named, dict):
        return []
    channel = named.get("Channel")
    nested = channel.get("Name") if isinstance(channel, dict) else None
    choices = (nested, named.get("channel_names"), named.get("Labels"))
    return next((found for found in choices if isinstance(found, list)), [])


def _of_page(page: Any) -> str:
    """What a page of its own is called."""
    whole = page.aspage() if hasattr(page, "aspage") else page
    text = str(whole.description or "")[:_LONGEST_JSON]
    if text.lstrip().startswith("{"):
        named = json_or_none(text)
        target = named.get("channel.target") if isinstance(named, dict) else None
        if isinstance(target, str):
            return target
    if text.lstrip().startswith("<") and (found := _BIOMARKER.search(text)):
        return found[1]
    name = whole.tags.valueof(_PAGE_NAME)
    return name if isinstance(name, str) else ""


def _cleaned(names: Sequence[Any]) -> tuple[str, ...]:
    """Names as text without anything that a terminal obeys; the position where one is empty."""
    texts = (" ".join(str(name).split()) for name in names)
    return tuple(harmless(text) or str(i) for i, text in enumerate(texts))
