"""Planes of TIFF stacks, one at a time: a stack may be larger than memory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray

from napari_construct.data.formats import image_format
from napari_construct.data.images import ImageFile, read_image
from napari_construct.data.limits import DECODER_ERRORS, MAX_PIXELS, check_size, damaged
from napari_construct.data.listing import is_zarr
from napari_construct.data.resolution import mpp_from_tiff
from napari_construct.data.rgb import as_rgb
from napari_construct.data.tiff import channels_last, check_segments, stored_colours
from napari_construct.exceptions import InputError
from napari_construct.types import PathLike

MAX_PLANES: Final = 100_000

_IN_PLANE: Final = "YXSC"


def count_planes(path: PathLike) -> int:
    """How many planes an image file holds; 1 for everything that is no TIFF stack.

    Axes other than rows, columns and colour count planes, in the file's order.

    Raises
    ------
    InputError
        If there is no such file, it is no image, damaged, or says that it has absurdly many planes.
    """
    path = Path(path)
    if is_zarr(path) or image_format(path) != "tiff":
        return 1
    try:
        with tifffile.TiffFile(path) as tif:
            if not tif.series:
                raise damaged(path, "no image inside")
            planes = math.prod(_stack_shape(tif.series[0]))
    except DECODER_ERRORS as error:
        if isinstance(error, InputError):
            raise
        raise damaged(path, error) from error
    if planes > MAX_PLANES:
        raise InputError(f"{path}: expected at most {MAX_PLANES:,} planes, got {planes:,}; split the stack")
    return planes


def read_plane(path: PathLike, index: int, *, max_pixels: int = MAX_PIXELS) -> ImageFile:
    """One plane of a stack as RGB; of a single image, that image.

    Parameters
    ----------
    path : str or path
        The file.
    index : int
        Which plane, from 0; with several axes of planes the last one counts fastest.
    max_pixels : int
        Larger planes are refused before they are decoded.

    Returns
    -------
    ImageFile
        As of :func:`~napari_construct.data.images.read_image`.

    Raises
    ------
    InputError
        If there is no such plane, or it cannot be used.
    """
    path = Path(path)
    planes = count_planes(path)
    if not 0 <= index < planes:
        raise InputError(f"{path}: expected a plane from 0 to {planes - 1}, got {index}; open the file again")
    if planes == 1:
        return read_image(path, max_pixels=max_pixels)
    try:
        with tifffile.TiffFile(path) as tif:
            series = tif.series[0]
            sizes = dict(zip(series.axes, series.shape, strict=True))
            check_size(path, sizes.get("Y", 0), sizes.get("X", 0), max_pixels)
            check_segments(path, series, tif.filehandle.size, max_pixels)
            if series.dataoffset is not None and series.dataoffset + series.nbytes > tif.filehandle.size:
                raise damaged(path, "it ends before its last plane")
            array, axes = _plane(series, index)
            array = stored_colours(path, channels_last(array, axes), series.keyframe)
            mpp = mpp_from_tiff(tif)
    except DECODER_ERRORS as error:
        if isinstance(error, InputError):
            raise
        raise damaged(path, error) from error
    pixels, notices = as_rgb(array, name=f"{path} plane {index + 1}", max_pixels=max_pixels)
    return ImageFile(pixels, mpp, notices, path)


def _stack_shape(series: Any) -> tuple[int, ...]:
    return tuple(n for a, n in zip(series.axes, series.shape, strict=True) if a not in _IN_PLANE and n > 1)


def _plane(series: Any, index: int) -> tuple[NDArray[Any], str]:
    """The array of a plane and its axes, those of length one dropped."""
    position = iter(np.unravel_index(index, _stack_shape(series)))
    key = tuple(
        0 if n == 1 and a not in "YX" else slice(None) if a in _IN_PLANE else int(next(position))
        for a, n in zip(series.axes, series.shape, strict=True)
    )
    axes = "".join(a for a, part in zip(series.axes, key, strict=True) if isinstance(part, slice))
    with series.aszarr(level=0) as store:
        stored: Any = zarr.open(store, mode="r")
        return np.asarray(stored[key]), axes
