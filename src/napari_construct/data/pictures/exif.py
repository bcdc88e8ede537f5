"""What the EXIF of a picture says of its orientation and resolution."""

from __future__ import annotations

from typing import Final

from PIL import Image

from napari_construct.data.limits import METADATA_ERRORS
from napari_construct.data.orientation import TAG

_RESOLUTION: Final = (282, 283, 296)


def stated_orientation(exif: Image.Exif | None) -> object:
    """The value of the orientation tag, whatever it is; None where EXIF says nothing."""
    return None if exif is None else exif.get(TAG)


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
    except METADATA_ERRORS:
        return None
    return exif
