"""PNG, JPEG and BMP files, decoded by Pillow after their size was checked."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin

from napari_construct.data.formats import image_format
from napari_construct.data.limits import DECODER_ERRORS, check_size, damaged
from napari_construct.data.resolution import mpp_from_dpi
from napari_construct.exceptions import InputError
from napari_construct.reading.regular import open_regular

# Pillow's own classes instead of Image.open: no rarely used plugin sees an untrusted file, and the
# one limit on pixels is ours
_PLUGINS: Final[dict[str, Any]] = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
}


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


def read_pillow(path: Path, max_pixels: int) -> tuple[NDArray[Any], float | None, tuple[str, ...]]:
    """Values as stored, micrometres per pixel, notices."""
    with open_regular(path) as stream:
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


def header_of(path: Path) -> tuple[int, int, float | None]:
    """Rows, columns and micrometres per pixel of a PNG, JPEG or BMP, without its pixels."""
    with open_regular(path) as stream:
        image: Image.Image = _PLUGINS[image_format(path)](stream)
        return image.height, image.width, mpp_from_dpi(image.info.get("dpi"))
