"""What an image file states of its image, without decoding it: size and micrometres per pixel."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import tifffile

from napari_construct.data.formats import image_format
from napari_construct.data.limits import DECODER_ERRORS, damaged
from napari_construct.data.pillow import header_of
from napari_construct.data.resolution import mpp_from_tiff
from napari_construct.exceptions import InputError
from napari_construct.reading.regular import open_regular
from napari_construct.types import PathLike


class Stated(NamedTuple):
    """Rows and columns of an image, and micrometres per pixel or None."""

    rows: int
    columns: int
    mpp: float | None


def stated(path: PathLike) -> Stated:
    """Size and pixel size as ``read_image`` finds them; of a stack those of a plane.

    Raises
    ------
    InputError
        If there is no file, or it is no image that can be read, or damaged.
    """
    path = Path(path)
    try:
        if image_format(path) != "tiff":
            return Stated(*header_of(path))
        with open_regular(path) as stream, tifffile.TiffFile(stream, name=path.name) as tif:
            if not tif.series:
                raise damaged(path, "no image inside")
            series = tif.series[0]
            sizes = dict(zip(series.axes, series.shape, strict=True))
            return Stated(sizes.get("Y", 0), sizes.get("X", 0), mpp_from_tiff(tif))
    except DECODER_ERRORS as error:
        if isinstance(error, InputError):
            raise
        raise damaged(path, error) from error


def stored_mpp(path: PathLike) -> float | None:
    """Micrometres per pixel that a file states, None where it states none or is no image."""
    try:
        return stated(path).mpp
    except InputError:
        return None
