"""Planes of TIFF stacks, one at a time: a stack may be larger than memory."""

from __future__ import annotations

from pathlib import Path

from napari_construct.data.formats import image_format
from napari_construct.data.images import ImageFile, read_image, shown_image
from napari_construct.data.limits import MAX_PIXELS
from napari_construct.data.listing import is_zarr
from napari_construct.data.tiff.read import MAX_PLANES, planes_of_tiff, read_tiff
from napari_construct.exceptions import InputError
from napari_construct.types import PathLike

__all__ = ["MAX_PLANES", "count_planes", "read_plane"]


def count_planes(path: PathLike) -> int:
    """How many planes an image file holds; 1 for everything that is no TIFF stack.

    Axes other than rows, columns and colour count planes, in the file's order.

    Raises
    ------
    InputError
        If there is no such file, it is no image, damaged, or says that it has absurdly many planes.
    """
    path = Path(path)
    return 1 if is_zarr(path) or image_format(path) != "tiff" else planes_of_tiff(path)


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
    stored = read_tiff(path, max_pixels=max_pixels, plane=index)
    return shown_image(path, stored, f"{path} plane {index + 1}", max_pixels)
