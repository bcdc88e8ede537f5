"""An image file as RGB uint8 with its pixel size.

Readers report every conversion to RGB in a notice. An image that cannot be used raises an
:class:`~napari_construct.exceptions.InputError` with a remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.formats import image_format
from napari_construct.data.limits import MAX_PIXELS
from napari_construct.data.listing import is_zarr
from napari_construct.data.pictures.read import read_pillow
from napari_construct.data.regions import Region, inside
from napari_construct.data.rgb import as_rgb, as_shown
from napari_construct.data.stored import StoredImage
from napari_construct.data.tiff.read import read_tiff
from napari_construct.data.zarr_image import read_zarr
from napari_construct.exceptions import InputError
from napari_construct.reading.places import is_folder
from napari_construct.types import BoolMask, PathLike, RGBImage, ShortRepr

__all__ = ["MAX_PIXELS", "ImageFile", "as_rgb", "read_image"]

NO_DATA: Final = 255
"""Value in a mask that is no class of any model: what lies there is not scored and not learned from."""


@dataclass(frozen=True, slots=True, repr=False)
class ImageFile(ShortRepr):
    """An image as read from disk.

    Attributes
    ----------
    pixels : ndarray
        (h, w, 3) uint8 RGB; transparent places are white.
    mpp : float or None
        Micrometres per pixel; None if the file does not store it.
    notices : tuple of str
        Conversions and assumptions, one sentence each.
    path : Path
        File of the image.
    valid : ndarray or None
        (h, w) bool, False where the image is transparent: without data, so without a class. None where all
        of it is valid.
    """

    pixels: RGBImage
    mpp: float | None
    notices: tuple[str, ...]
    path: Path
    valid: BoolMask | None = None

    @property
    def has_data(self) -> BoolMask:
        """(h, w) True where the image has data."""
        return np.ones(self.pixels.shape[:2], dtype=np.bool_) if self.valid is None else self.valid

    def known(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A mask (h, w) of this image's classes, with ``NO_DATA`` where the image has no data."""
        if self.valid is None or mask.shape != self.valid.shape:
            return mask
        return np.where(self.valid, mask, NO_DATA).astype(np.uint8)


def read_image(path: PathLike, *, max_pixels: int = MAX_PIXELS, region: Region | None = None) -> ImageFile:
    """Read an image file (PNG, JPEG, BMP, JPEG 2000, WebP, TIFF, SVS) or an OME-Zarr; of a pyramid, level 0.

    Of a TIFF with several images, the largest is read that is no label or overview.

    Parameters
    ----------
    path : str or path
        The file; its first bytes decide the format, not its suffix. Or the folder of an OME-Zarr image.
    max_pixels : int
        Refuse larger images, or regions, before decoding them. Default 100 million.
    region : tuple of slice, optional
        Rows and columns to read. Of a TIFF only their tiles are decoded, so that the file may be larger than
        ``max_pixels``.

    Returns
    -------
    ImageFile
        RGB uint8 pixels, pixel size if known, notices.

    Raises
    ------
    InputError
        If there is no file, or it is not an image, truncated, too large, under 16 pixels a side,
        a stack, wholly transparent, of a colour space without a plain way to RGB (CMYK, CIELAB), or holds
        NaN or infinite values.
    """
    path = Path(path)
    if is_zarr(path):
        stored = _part(path, read_zarr(path, max_pixels), region)
    elif is_folder(path):
        raise InputError(
            f"{path}: expected an image, got a folder; segment the folder with batch, or name an image in it"
        )
    elif image_format(path) == "tiff":
        stored = read_tiff(path, max_pixels=max_pixels, region=region)
    else:
        stored = _part(path, read_pillow(path, max_pixels), region)
    return shown_image(path, stored, str(path), max_pixels)


def shown_image(path: Path, stored: StoredImage, name: str, max_pixels: int) -> ImageFile:
    """The RGB image of stored pixels; ``name`` is what errors and notices call it."""
    shown = as_shown(stored.array, name=name, max_pixels=max_pixels)
    return ImageFile(shown.rgb, stored.mpp, stored.notices + shown.notices, path, shown.valid)


def _part(path: Path, stored: StoredImage, region: Region | None) -> StoredImage:
    return stored._replace(array=stored.array[inside(path, region, *stored.array.shape[:2])])
