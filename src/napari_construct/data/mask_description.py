"""What a mask file says about its own values: napari-construct's description, and its palette."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from napari_construct.classes import hex_of
from napari_construct.data.formats import image_format
from napari_construct.data.limits import METADATA_ERRORS
from napari_construct.data.pictures.read import palette_of
from napari_construct.data.resolution import length
from napari_construct.data.tiff.xml_text import text_of
from napari_construct.exceptions import InputError
from napari_construct.reading.texts.json import parse_json
from napari_construct.reading.tiff.file import open_tiff

_LONGEST: Final = 2**20
"""Characters of a description; 254 names of 255 are far less."""


class MaskDescription(NamedTuple):
    """What napari-construct writes into a mask.

    Attributes
    ----------
    names : dict of int to str
        Class of each value, from 1.
    mpp : float or None
        Micrometres per pixel.
    colours : dict of int to str
        ``#RRGGBB`` of each value, from the palette.
    """

    names: dict[int, str]
    mpp: float | None
    colours: dict[int, str]


def mask_description(path: Path) -> MaskDescription | None:
    """The description of a mask that napari-construct wrote; None of another file."""
    try:
        with open_tiff(path) as file:
            page: Any = file.pages.first
            if page.dtype != np.uint8 or page.samplesperpixel != 1:
                return None  # the description is of another program
            text = page.description or "{}"
            if file.is_ome:  # a pyramid: the description of its image
                text = text_of("Description", text) or "{}"
            found = parse_json(text if len(text) <= _LONGEST else "{}", str(path), error=InputError)
            names = {int(value): str(name) for value, name in found["classes"].items()}
            colours = {}
            if page.colormap is not None:
                colours = {value: hex_of(page.colormap[:, value] // 257) for value in names}
    except METADATA_ERRORS:
        return None
    return MaskDescription(dict(sorted(names.items())), length(found.get("mpp"), None), colours)


def mask_palette(path: Path) -> tuple[str, ...]:
    """``#RRGGBB`` of each value of a palette mask; nothing of other files."""
    try:
        if image_format(path) == "tiff":
            with open_tiff(path) as file:
                colormap: Any = file.pages.first.colormap
            if colormap is None:
                return ()
            return tuple(hex_of(colormap[:, value] >> 8) for value in range(colormap.shape[1]))
        flat = palette_of(path)
    except METADATA_ERRORS:
        return ()
    return tuple(hex_of(flat[i : i + 3]) for i in range(0, len(flat) - 2, 3))
