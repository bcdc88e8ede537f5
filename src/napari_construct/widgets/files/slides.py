"""File > Open for whole slides: one image layer of lazy levels, placed in micrometres."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from napari.utils.notifications import show_info, show_warning

from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.events import Doubt
from napari_construct.exceptions import InputError
from napari_construct.reading.places import is_folder
from napari_construct.results.read import reader_of
from napari_construct.widgets.files.names import SCANNED_SUFFIXES
from napari_construct.widgets.files.preferred import is_preferred, others_of, read_as_others
from napari_construct.widgets.layers.slide_levels import slide_arrays
from napari_construct.widgets.layers.slides import slide_options

LayerData = tuple[Any, Mapping[str, Any], str]

LARGE: Final = 25_000_000
"""Pixels from which an image without smaller copies is better read in parts."""


def get_reader(path: str | Sequence[str]) -> Callable[..., list[LayerData]] | None:
    """The reader of whole slides; None for other files, which napari then offers to other readers.

    Files with a scanner's suffix are slides if they open as such; OME-Zarr if it is one image in colour that
    has smaller copies or is large. Results of this plugin have a reader of their own. Several files at once
    are no slide.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if not paths:
        return None
    one = len(paths) == 1
    if one and reader_of(Path(paths[0])) is None and is_slide(Path(paths[0])):
        return read
    if one and _scanners(paths[0]) and not others_of(paths):
        return read  # which says what is wrong
    return _read_as_others if all(map(is_preferred, paths)) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """The image layer of a slide, or of several.

    Raises
    ------
    InputError
        If one is no slide, or damaged.
    """
    paths = [path] if isinstance(path, str) else list(path)
    return [slide_layer(Path(one)) for one in paths]


def _read_as_others(path: str | Sequence[str]) -> list[Any]:
    """Layers of a file that is no slide; where no other reader knows it either, why it is none."""
    try:
        return read_as_others(path)
    except Exception:
        for one in [path] if isinstance(path, str) else path:
            open_slide(one).close()
        raise


def slide_layer(path: Path) -> LayerData:
    """Open a slide and say what is to be known of it.

    Raises
    ------
    InputError
        If it is no slide, or damaged.
    """
    slide = open_slide(path)
    for text in said_of(slide):
        (show_warning if isinstance(text, Doubt) else show_info)(text)
    return slide_arrays(slide), slide_options(slide), "image"


def said_of(slide: Slide) -> list[str]:
    """Notices of a slide, and of its pixel size and levels where those are missing."""
    said = list(slide.notices)
    if slide.mpp is None:
        said.append(
            f"{slide.name}: the file does not state its micrometres per pixel, so it is shown in pixels; "
            "Segment asks for them"
        )
    if len(slide.levels) == 1 and slide.shape[0] * slide.shape[1] > LARGE:
        said.append(
            f"{slide.name}: the file holds no smaller copies, so it opens slowly and is coarse until one "
            "zooms in; save it as a pyramid (QuPath, vips)"
        )
    return said


def is_slide(path: Path) -> bool:
    """Whether a file is to be read as a slide: a scanner's, one with smaller copies, or a large one."""
    try:
        with open_slide(path) as slide:
            large = len(slide.levels) > 1 or slide.shape[0] * slide.shape[1] > LARGE
            return large or (_scanners(str(path)) and not is_folder(path))
    except InputError:
        return False


def _scanners(path: str) -> bool:
    return Path(path).suffix.lower() in SCANNED_SUFFIXES
