"""What a mask file says about its own values: napari-construct's description, and its palette."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import tifffile

from napari_construct.classes import hex_of
from napari_construct.data.formats import image_format
from napari_construct.data.images import MAX_PIXELS
from napari_construct.data.pillow import open_pillow
from napari_construct.exceptions import InputError

_LONGEST: Final = 2**20
"""Characters of a description; 254 names of 255 are far less."""

_DAMAGED: Final = (
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OSError,
    ValueError,
    RecursionError,
    tifffile.TiffFileError,
)


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
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            text = page.description or "{}"
            found = json.loads(text) if len(text) <= _LONGEST else {}
            names = {int(value): str(name) for value, name in found["classes"].items()}
            colours = {}
            if page.colormap is not None:
                colours = {value: hex_of(page.colormap[:, value] // 257) for value in names}
    except _DAMAGED:
        return None
    return MaskDescription(dict(sorted(names.items())), found.get("mpp"), colours)


def mask_palette(path: Path) -> tuple[str, ...]:
    """``#RRGGBB`` of each value of a palette mask; nothing of other files."""
    try:
        if image_format(path) == "tiff":
            with tifffile.TiffFile(path) as file:
                colormap: Any = file.pages[0].colormap  # type: ignore[union-attr]
            if colormap is None:
                return ()
            return tuple(hex_of(colormap[:, value] >> 8) for value in range(colormap.shape[1]))
        with path.open("rb") as stream:
            palette = open_pillow(path, stream, MAX_PIXELS, min_side=1).getpalette("RGB")
    except (*_DAMAGED, InputError):
        return ()
    flat = palette or []
    return tuple(hex_of(flat[i : i + 3]) for i in range(0, len(flat) - 2, 3))
