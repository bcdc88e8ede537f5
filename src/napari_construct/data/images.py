"""An image file as RGB uint8 with its pixel size.

Readers report every conversion to RGB in a notice. An image that cannot be used raises an
:class:`~napari_construct.exceptions.InputError` with a remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_construct.data.formats import image_format
from napari_construct.data.limits import MAX_PIXELS
from napari_construct.data.listing import is_zarr
from napari_construct.data.pillow import read_pillow
from napari_construct.data.rgb import as_rgb
from napari_construct.data.tiff import read_tiff
from napari_construct.data.zarr_image import read_zarr
from napari_construct.exceptions import InputError
from napari_construct.reading.regular import is_folder
from napari_construct.types import PathLike, RGBImage, ShortRepr

__all__ = ["MAX_PIXELS", "ImageFile", "as_rgb", "read_image"]


@dataclass(frozen=True, slots=True, repr=False)
class ImageFile(ShortRepr):
    """An image as read from disk.

    Attributes
    ----------
    pixels : ndarray
        (h, w, 3) uint8 RGB.
    mpp : float or None
        Micrometres per pixel; None if the file does not store it.
    notices : tuple of str
        Conversions and assumptions, one sentence each.
    path : Path
        File of the image.
    """

    pixels: RGBImage
    mpp: float | None
    notices: tuple[str, ...]
    path: Path


def read_image(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> ImageFile:
    """Read a PNG, JPEG, BMP, TIFF, OME-TIFF or SVS file, or an OME-Zarr folder; of a pyramid, level 0.

    Parameters
    ----------
    path : str or path
        The file; its first bytes decide the format, not its suffix. Or the folder of an OME-Zarr image.
    max_pixels : int
        Refuse larger images before decoding them. Default 100 million.

    Returns
    -------
    ImageFile
        RGB uint8 pixels, pixel size if known, notices.

    Raises
    ------
    InputError
        If there is no file, or it is not an image, truncated, too large, under 16 pixels a side,
        a stack, or holds NaN or infinite values.
    """
    path = Path(path)
    if is_zarr(path):
        array, mpp, notices = read_zarr(path, max_pixels)
    elif is_folder(path):
        raise InputError(
            f"{path}: expected an image, got a folder; segment the folder with batch, or name an image in it"
        )
    elif image_format(path) == "tiff":
        plane = read_tiff(path, max_pixels=max_pixels)
        array, mpp, notices = plane.array, plane.mpp, plane.notices
    else:
        array, mpp, notices = read_pillow(path, max_pixels)
    pixels, more = as_rgb(array, name=str(path), max_pixels=max_pixels)
    return ImageFile(pixels, mpp, notices + more, path)
