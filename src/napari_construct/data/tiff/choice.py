"""Which image of a TIFF file is read, where there are several: the scan, not its label or overview."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import tifffile

from napari_construct.data.limits import damaged, decoding
from napari_construct.data.tiff.layout import Layout, layout_of
from napari_construct.exceptions import InputError
from napari_construct.reading.tiff.file import open_tiff, other_files

_BESIDE: Final = re.compile(r"\b(label|macro|overview|thumbnail|preview|barcode|map)\b", re.IGNORECASE)
"""What scanners call the images beside the scan: in the name of an image."""

_DESCRIBED: Final = re.compile(
    r"\s*(label|macro|overview|thumbnail|preview|barcode|probability)|Aperio[^\r\n]*[\r\n]+(label|macro)\b",
    re.IGNORECASE,
)
"""The same at the beginning of a page's description (Ventana, Philips), or in its second line (Aperio)."""

_QPTIFF_TYPE: Final = re.compile(r"<ImageType>\s*(\w+)\s*</ImageType>")
_MASK, _SOURCE_LENS = 4, 65421
_ASPECT: Final = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The image of a TIFF that is read.

    Attributes
    ----------
    series : tifffile.TiffPageSeries
        Its pages, and in ``levels`` the smaller ones of its pyramid.
    layout : Layout
        Its axes.
    notices : tuple of str
        Which one it is, where another might have been meant.
    number : int
        Which of the images of the file it is, from 1.
    smaller : tuple of tifffile.TiffPageSeries
        Further images of the file that may be levels of its pyramid.
    beside : dict of str to tifffile.TiffPageSeries
        Label, overview, thumbnail and the like, by the names that scanners give them.
    """

    series: Any
    layout: Layout
    notices: tuple[str, ...]
    number: int = 1
    smaller: tuple[Any, ...] = ()
    beside: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def open_image(path: Path, image: int | None = None) -> Iterator[tuple[Any, Chosen]]:
    """The open file and its image: the one that :func:`choose_image` takes, or number ``image``, from 1.

    Raises
    ------
    InputError
        If the file is damaged or not supported; also what is raised inside is told so.
    """
    with decoding(path), open_tiff(path) as tif:
        yield tif, choose_image(path, tif, image)


def set_notice(path: Path, tif: Any) -> tuple[str, ...]:
    """A notice of a file that is one of a set."""
    others = other_files(tif.pages.first.description, path.name)
    if not others:
        return ()
    text = (
        f"{path.name}: its description names {len(others)} other file(s) of its set, which are not read; "
        "the pixels are those of this file"
    )
    return (text,)


def choose_image(path: Path, tif: tifffile.TiffFile, image: int | None = None) -> Chosen:
    """The largest image of a file that is no label, overview, thumbnail, mask or smaller level.

    Of equally large ones the first; where all are called label or overview, the largest of them.
    ``image`` chooses another by its number, from 1.

    Raises
    ------
    InputError
        If there is no image, or none of this number.
    """
    every = [series for series in tif.series if series.pages]
    if not every:
        raise damaged(path, "no image inside")
    layouts = [layout_of(series) for series in every]
    beside = _beside(tif, every)
    reduced = [series.keyframe.is_reduced for series in every]
    candidates = [i for i in range(len(every)) if not beside[i] and not reduced[i]]
    candidates = candidates or [i for i in range(len(every)) if not reduced[i]] or list(range(len(every)))
    index = max(candidates, key=lambda i: (layouts[i].height * layouts[i].width, -i))
    names = {i: _called(tif, series) for i, series in enumerate(every) if beside[i]}
    if image is not None:
        if not 1 <= image <= len(every):
            sizes = [
                f"{i + 1}: {one.height} x {one.width} pixels{f' ({names[i]})' if i in names else ''}"
                for i, one in enumerate(layouts)
            ]
            raise no_such_image(path, image, sizes)
        index = image - 1
    smaller = tuple(
        every[i]
        for i in range(len(every))
        if i != index and not beside[i] and _is_level(every, layouts, i, index)
    )
    others = [i for i in range(len(every)) if i != index and not _is_level(every, layouts, i, index)]
    notices: tuple[str, ...] = ()
    if image is None and others and (index > 0 or not all(beside[i] for i in others)):
        chosen = layouts[index]
        said = (
            f"{path.name}: of the {len(others) + 1} images of the file, number {index + 1} is read "
            f"({chosen.height} x {chosen.width} pixels), the largest that is no label or overview"
        )
        notices = (said,)
    return Chosen(every[index], layouts[index], notices, index + 1, smaller, _by_name(names, every, index))


def no_such_image(path: Path, image: int, found: Sequence[str]) -> InputError:
    """The error for a number that no image of a file has; ``found`` describes each of them."""
    return InputError(
        f"{path}: expected the number of one of its images ({'; '.join(found)}), got {image}; choose one of "
        "these (--image, in Python image)"
    )


def _called(tif: tifffile.TiffFile, series: Any) -> str:
    """What an image beside the scan is: label, macro ..."""
    if tif.is_scn:
        return "overview"
    found = _BESIDE.search(_name(tif, series)) or _DESCRIBED.match(_described(series.keyframe))
    if found:
        return next(word.lower() for word in found.groups() if word)
    return {-1.0: "macro", -2.0: "map"}.get(_lens(series.keyframe), "mask")


def _by_name(names: Mapping[int, str], every: list[Any], chosen: int) -> dict[str, Any]:
    """Images by their names, of which the second of a kind gets a number."""
    found: dict[str, Any] = {}
    for i, name in names.items():
        if i != chosen:
            count = sum(other.split()[0] == name for other in found)
            found[f"{name} {count + 1}" if count else name] = every[i]
    return found


def _beside(tif: tifffile.TiffFile, every: list[Any]) -> list[bool]:
    """Whether each image is a label, an overview, a thumbnail or a mask."""
    overviews = _scn_overviews(tif.pages.first.description) if tif.is_scn else []
    if len(overviews) != len(every):
        overviews = [False] * len(every)
    found = []
    for series, overview in zip(every, overviews, strict=True):
        page = series.keyframe
        found.append(
            overview
            or bool(_BESIDE.search(_name(tif, series)) or _DESCRIBED.match(_described(page)))
            or page.is_mask
            or _lens(page) < 0
            or int(page.photometric) == _MASK
        )
    return found


def _described(page: Any) -> str:
    """How the description of a page begins; nothing of XML and JSON, which say it in other ways."""
    return "" if page.description.lstrip().startswith(("<", "{")) else page.description[:500]


def _name(tif: tifffile.TiffFile, series: Any) -> str:
    """What a file calls one of its images: QPTIFF in a description, where tifffile goes by the place."""
    stated = _QPTIFF_TYPE.search(series.keyframe.description) if tif.is_qpi else None
    return stated[1] if stated else str(series.name)


def _lens(page: Any) -> float:
    """Magnification that Hamamatsu writes: -1 of the macro image, -2 of the map; 0 where there is none."""
    value = page.tags.valueof(_SOURCE_LENS)
    return float(value) if isinstance(value, int | float) else 0.0


def _scn_overviews(description: str) -> list[bool]:
    """Of the images of a Leica SCN file, those that show the whole slide."""
    try:
        root = ET.fromstring(description)  # noqa: S314  # open_tiff lets no entities pass
    except ET.ParseError:
        return []
    overviews = []
    for collection in root.iterfind("{*}collection"):
        whole = collection.get("sizeX"), collection.get("sizeY")
        for image in collection.iterfind("{*}image"):
            view = image.find("{*}view")
            shows_all = view is not None and (view.get("sizeX"), view.get("sizeY")) == whole
            overviews += [shows_all] * len(image.findall("{*}pixels"))
    return overviews


def _is_level(every: list[Any], layouts: list[Layout], i: int, chosen: int) -> bool:
    """Whether an image is the chosen one again in fewer pixels."""
    page = every[i].keyframe
    if page.is_reduced:
        return True
    small, large = layouts[i], layouts[chosen]
    if not (page.is_tiled and every[chosen].keyframe.is_tiled and 0 < small.height < large.height):
        return False
    return abs(small.width / small.height * large.height / large.width - 1) < _ASPECT
