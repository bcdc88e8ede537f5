"""How a camera was held, as EXIF states it, applied to pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_construct.data.limits import DECODER_ERRORS

TAG: Final = 274
"""EXIF tag ``Orientation``: where row 0 and column 0 lie in the picture that viewers show."""

_RESOLUTION: Final = (282, 283, 296)

_MOVES: Final[dict[int, tuple[str, Callable[[NDArray[Any]], NDArray[Any]]]]] = {
    2: ("mirrored left to right", lambda a: a[:, ::-1]),
    3: ("turned by 180 degrees", lambda a: a[::-1, ::-1]),
    4: ("mirrored top to bottom", lambda a: a[::-1]),
    5: ("mirrored at its diagonal", lambda a: a.swapaxes(0, 1)),
    6: ("turned by 90 degrees clockwise", lambda a: a[::-1].swapaxes(0, 1)),
    7: ("mirrored at its other diagonal", lambda a: a[::-1, ::-1].swapaxes(0, 1)),
    8: ("turned by 90 degrees anticlockwise", lambda a: a[:, ::-1].swapaxes(0, 1)),
}


def orientation_of(exif: Image.Exif | None) -> int:
    """1 to 8; 1, as stored, where EXIF says nothing or nonsense."""
    value = None if exif is None else exif.get(TAG)
    return value if value in _MOVES else 1


def dpi_of(exif: Image.Exif | None) -> tuple[float, float] | None:
    """Pixels per inch of columns and rows; None where EXIF does not say."""
    if exif is None:
        return None
    try:
        per_unit = {2: 1.0, 3: 2.54}[int(exif.get(_RESOLUTION[2], 2))]
        return float(exif[_RESOLUTION[0]]) * per_unit, float(exif[_RESOLUTION[1]]) * per_unit
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None


def read_exif(source: Image.Image | bytes) -> Image.Exif | None:
    """The EXIF of an image or of its bytes; None where it is damaged, which the pixels need not be."""
    try:
        if isinstance(source, bytes):
            exif = Image.Exif()
            exif.load(source)
        else:
            exif = source.getexif()
        exif.get(TAG)
    except (*DECODER_ERRORS, AttributeError):
        return None
    return exif


def upright(array: NDArray[Any], orientation: int, short: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Pixels (h, w) or (h, w, c) as viewers show them, and a notice where they are stored otherwise."""
    if orientation not in _MOVES:
        return array, ()
    words, move = _MOVES[orientation]
    notice = f"{short}: {words}, as its EXIF orientation ({orientation}) states and viewers show it"
    return np.ascontiguousarray(move(array)), (notice,)
