"""One plane of a TIFF, OME-TIFF or SVS file, checked before it is decoded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.limits import MIN_SIDE, check_size
from napari_construct.data.orientation import TAG, orientation_of
from napari_construct.data.regions import Region, inside
from napari_construct.data.stored import ImageHeader, StoredImage
from napari_construct.data.tiff.checks import check_bytes
from napari_construct.data.tiff.choice import Chosen, open_image, set_notice
from napari_construct.data.tiff.colours import check_photometric, stored_colours
from napari_construct.data.tiff.layout import MAY_BE_COLOURS, check_colour_axes, check_single
from napari_construct.data.tiff.pixel_size import pixel_size_of_tiff
from napari_construct.data.tiff.pixels import decode
from napari_construct.events import Doubt
from napari_construct.exceptions import InputError

MAX_PLANES: Final = 100_000

_REGION: Final = "segment a region of it (--region; in Python read_image with region, or a larger max_pixels)"


def read_tiff(
    path: Path,
    *,
    max_pixels: int,
    colours: bool = True,
    min_side: int = MIN_SIDE,
    plane: int | None = None,
    region: Region | None = None,
) -> StoredImage:
    """Level 0 of the largest image in a TIFF that is no label or overview.

    Parameters
    ----------
    path : Path
        The file. No other file is opened, whatever this one names.
    max_pixels : int
        More pixels are refused before anything is decoded.
    colours : bool
        Whether samples are turned into brightness: palettes looked up, white-is-zero inverted, YCbCr
        converted. False keeps them, as masks need.
    min_side : int
        Planes and regions with a shorter side are refused.
    plane : int, optional
        Which plane of a stack, from 0, the last axis counting fastest. By default stacks are refused.
    region : tuple of slice, optional
        Rows and columns of the picture as it is shown; only their tiles are decoded.

    Returns
    -------
    StoredImage
        The samples themselves where ``colours`` is False.

    Raises
    ------
    InputError
        If the file is damaged, not supported, too large, a stack, or of a colour space without a plain way to
        RGB.
    """
    with open_image(path) as (tif, chosen):
        series, layout = chosen.series, chosen.layout
        page = series.keyframe
        check_colour_axes(path, layout, int(page.photometric))
        if plane is None:
            check_single(path, layout)
        if colours:
            check_photometric(path, page)
        orientation = orientation_of(page.tags.valueof(TAG))
        shown = orientation.shown_shape(layout.height, layout.width)
        rows, columns = inside(path, region, *shown)
        height, width = rows.stop - rows.start, columns.stop - columns.start
        check_size(path, height, width, max_pixels, min_side, remedy=_REGION)
        check_bytes(path, layout, height, width, series.dtype, max_pixels)
        part = orientation.stored_part(rows, columns, layout.height, layout.width)
        array, missing = decode(path, series, layout, plane or 0, part, max_pixels)
        notices = (*_notices(path, tif, chosen, plane), *missing)
        if colours:
            array, more = stored_colours(path, array, page, samples=layout.colour_axis != "C")
            notices += more
        notices += orientation.notice(path.name)
        array = np.ascontiguousarray(orientation.show(array))
        size = pixel_size_of_tiff(tif, page, name=path.name)
        return StoredImage(array, size.mpp, notices + size.notices)


def read_stored_stack(path: Path, *, max_pixels: int) -> NDArray[Any]:
    """(planes, h, w) of a greyscale stack as stored; ``max_pixels`` bounds all planes together.

    Raises
    ------
    InputError
        If the file is damaged, too large, or not greyscale.
    """
    with open_image(path) as (_, chosen):
        series, layout = chosen.series, chosen.layout
        planes = math.prod(layout.planes)
        if layout.colour_axis:
            raise InputError(
                f"{path}: expected greyscale planes, got axes {layout.axes}; save one value a pixel"
            )
        check_size(path, layout.height * planes, layout.width, max_pixels, min_side=1)
        check_bytes(path, layout, layout.height * planes, layout.width, series.dtype, max_pixels)
        part = slice(0, layout.height), slice(0, layout.width)
        read = (decode(path, series, layout, plane, part, max_pixels)[0] for plane in range(planes))
        return np.stack(list(read))


def header_of_tiff(path: Path) -> ImageHeader:
    """The header of the image that :func:`read_tiff` reads."""
    with open_image(path) as (tif, chosen):
        page = chosen.series.keyframe
        shown = orientation_of(page.tags.valueof(TAG)).shown_shape(chosen.layout.height, chosen.layout.width)
        return ImageHeader(*shown, pixel_size_of_tiff(tif, page, name=path.name).mpp)


def planes_of_tiff(path: Path) -> int:
    """How many planes the image of a TIFF has that is read.

    Raises
    ------
    InputError
        If the file is damaged, or says that it has absurdly many.
    """
    with open_image(path) as (_, chosen):
        planes = math.prod(chosen.layout.planes)
    if planes > MAX_PLANES:
        raise InputError(f"{path}: expected at most {MAX_PLANES:,} planes, got {planes:,}; split the stack")
    return planes


def _notices(path: Path, tif: Any, chosen: Chosen, plane: int | None) -> tuple[str, ...]:
    notices = list(chosen.notices)
    layout = chosen.layout
    if layout.colour_axis == "C":
        notices.append(f"{path.name}: the three channels are read as red, green and blue")
    if layout.rows_as_pages:
        notices.append(
            f"{path.name}: {layout.height} pages of {layout.width} x {layout.channels} pixels are read as "
            "the rows of one RGB picture"
        )
    if plane is not None and layout.may_be_colours:
        notices.append(
            Doubt(f"{path.name}: one of {layout.planes[0]} planes is read as greyscale; {MAY_BE_COLOURS}")
        )
    notices += set_notice(path, tif)
    if tif.is_bif:
        notices.append(
            Doubt(f"{path.name}: overlapping tiles of Ventana scanners are read without stitching")
        )
    return tuple(notices)
