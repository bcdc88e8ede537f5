"""An image file, or an array of another source, as RGB uint8 with its pixel size.

Readers report every conversion to RGB in a notice. An image that cannot be used raises an
:class:`~napari_construct.exceptions.InputError` with a remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin

from napari_construct.data.limits import DECODER_ERRORS, MAX_PIXELS, check_size, damaged
from napari_construct.data.resolution import mpp_from_dpi
from napari_construct.data.rgb import as_rgb
from napari_construct.data.tiff import read_tiff
from napari_construct.exceptions import InputError
from napari_construct.types import PathLike, RGBImage, ShortRepr

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "ImageFile", "as_rgb", "list_images", "read_image"]

IMAGE_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".svs"})
"""Suffixes under which folders are searched; a single file is judged by its first bytes instead."""

_SIGNATURES: Final = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"BM": "bmp",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"II+\x00": "tiff",
    b"MM\x00+": "tiff",
}
# Pillow's own classes instead of Image.open: no rarely used plugin sees an untrusted file, and the
# one limit on pixels is ours
_PLUGINS: Final[dict[str, Any]] = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
}


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
    """Read a PNG, JPEG, BMP, TIFF, OME-TIFF or SVS file; of a pyramid, level 0.

    Parameters
    ----------
    path : str or path
        The file; its first bytes decide the format, not its suffix.
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
    if image_format(path) == "tiff":
        plane = read_tiff(path, max_pixels=max_pixels)
        array, mpp, notices = plane.array, plane.mpp, plane.notices
    else:
        array, mpp, notices = _read_pillow(path, max_pixels)
    pixels, more = as_rgb(array, name=str(path), max_pixels=max_pixels)
    return ImageFile(pixels, mpp, notices + more, path)


def list_images(folder: PathLike, *, recursive: bool = False) -> tuple[Path, ...]:
    """Files in ``folder`` with an image's suffix, sorted by name; hidden files are left out."""
    folder = Path(folder)
    found = folder.rglob("*") if recursive else folder.glob("*")
    return tuple(
        sorted(
            (
                p
                for p in found
                if p.suffix.lower() in IMAGE_SUFFIXES
                and not any(part.startswith(".") for part in p.relative_to(folder).parts)
                and p.is_file()
            ),
            key=lambda p: p.relative_to(folder).as_posix(),
        )
    )


def image_format(path: Path) -> str:
    """``png``, ``jpeg``, ``bmp`` or ``tiff`` by the first bytes of a file."""
    try:
        with path.open("rb") as stream:
            start = stream.read(16)
    except IsADirectoryError as error:
        raise InputError(f"{path}: expected an image file, got a folder; name the files in it") from error
    except FileNotFoundError as error:
        raise InputError(f"{path}: expected an image file, found nothing there; check the path") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); check its permissions") from error
    if not start:
        raise InputError(f"{path}: expected an image, the file is empty; get it again")
    for signature, name in _SIGNATURES.items():
        if start.startswith(signature):
            return name
    raise InputError(
        f"{path}: expected a PNG, JPEG, BMP, TIFF or SVS image, got something else; convert it to PNG"
    )


def open_pillow(path: Path, stream: IO[bytes], max_pixels: int, min_side: int) -> Image.Image:
    """Decode a PNG, JPEG or BMP whose size was checked first, in the mode it is stored in."""
    try:
        image: Image.Image = _PLUGINS[image_format(path)](stream)
        check_size(path, image.height, image.width, max_pixels, min_side)
        image.load()
    except DECODER_ERRORS as error:
        if isinstance(error, InputError):
            raise
        raise damaged(path, error) from error
    return image


def _read_pillow(path: Path, max_pixels: int) -> tuple[NDArray[Any], float | None, tuple[str, ...]]:
    with path.open("rb") as stream:
        image = open_pillow(path, stream, max_pixels, min_side=1)  # as_rgb says what is too small
        mpp = mpp_from_dpi(image.info.get("dpi"))
        notices: tuple[str, ...] = ()
        if image.mode == "P":
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        elif image.mode == "1":
            image = image.convert("L")
        elif image.mode in ("CMYK", "LAB", "YCbCr", "HSV"):
            notices = (f"{path.name}: converted from {image.mode} to RGB",)
            image = image.convert("RGB")
        return np.asarray(image), mpp, notices
