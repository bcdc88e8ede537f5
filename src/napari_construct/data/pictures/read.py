"""PNG, JPEG, BMP, JPEG 2000 and WebP files, decoded after their size was checked.

Pillow decodes them; imagecodecs those of more than 8 bits a channel, which Pillow cuts to 8.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, Jpeg2KImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from napari_construct.data.formats import image_format
from napari_construct.data.limits import MAX_PIXELS, WHOLE, check_size, decoding
from napari_construct.data.orientation import orientation_of, upright
from napari_construct.data.pictures.exif import dpi_of, read_exif, stated_orientation
from napari_construct.data.pictures.headers import Header, jpeg2000_header, jpeg_header, webp_size
from napari_construct.data.pictures.png import Png, read_chunks
from napari_construct.data.resolution import Stated, chosen, from_dpi
from napari_construct.data.stored import ImageHeader, StoredImage
from napari_construct.exceptions import InputError
from napari_construct.reading.regular import open_regular
from napari_construct.types import ByteStream

# Pillow's own classes instead of Image.open: no rarely used plugin sees an untrusted file, and the
# one limit on pixels is ours
_PLUGINS: Final[dict[str, Any]] = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "jpeg2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
}

_NO_RGB: Final = {"CMYK": "CMYK", "LAB": "CIELAB"}
"""Modes of Pillow without a plain way to RGB: colours depend on inks or on a profile."""


def read_pillow(path: Path, max_pixels: int) -> StoredImage:
    """Brightness values as stored, with alpha where there is any. Small pictures are not refused."""
    kind = image_format(path)
    with open_regular(path) as stream, decoding(path):
        array, exif, size, more = _READERS[kind](path, stream, max_pixels)
    found = chosen((size, from_dpi(dpi_of(exif), "EXIF")), path.name)
    array, turned = upright(array, stated_orientation(exif), path.name)
    return StoredImage(array, found.mpp, more + found.notices + turned)


def header_of_pillow(path: Path) -> ImageHeader:
    """The header of the picture that :func:`read_pillow` reads."""
    kind = image_format(path)
    with open_regular(path) as stream:
        if kind == "png":
            png = read_chunks(path, stream, MAX_PIXELS, min_side=1)
            rows, columns, size = png.height, png.width, png.size
            exif = read_exif(png.exif) if png.exif else None
        else:
            image = _open(kind, stream)
            rows, columns, size = image.height, image.width, from_dpi(image.info.get("dpi"))
            exif = read_exif(image)
    found = chosen((size, from_dpi(dpi_of(exif), "EXIF")), path.name)
    shown = orientation_of(stated_orientation(exif)).shown_shape(rows, columns)
    return ImageHeader(*shown, found.mpp)


def read_indices(path: Path, stream: ByteStream, max_pixels: int) -> NDArray[Any]:
    """Values exactly as stored: palette indices, and grey of 1, 2 and 4 bits not spread to 0 to 255."""
    kind = image_format(path)
    with decoding(path):
        if kind != "png":
            return np.asarray(_decoded(path, kind, stream, max_pixels))
        png = read_chunks(path, stream, max_pixels, min_side=1)
        if png.depth == 16 and png.colour != 0:
            return _deep_png(png)
        array = np.asarray(_load(path, kind, png.stream(), max_pixels))
    return array // _spread(png) if png.colour == 0 and png.depth in (2, 4) else array


def palette_of(path: Path) -> list[int]:
    """Red, green and blue of each value of a palette image; nothing of other images."""
    kind = image_format(path)
    with open_regular(path) as stream:
        if kind != "png":
            return _open(kind, stream).getpalette("RGB") or []
        return _open(kind, read_chunks(path, stream, MAX_PIXELS, min_side=1).stream()).getpalette("RGB") or []


def plain(image: Image.Image, name: str) -> Image.Image:
    """An image whose channels are brightness, with alpha where it has transparent places.

    Raises
    ------
    InputError
        If its colour space has no plain way to RGB.
    """
    if image.mode in _NO_RGB:
        raise InputError(
            f"{name}: expected RGB or greyscale, got the colour space {_NO_RGB[image.mode]}; "
            "convert it to RGB"
        )
    if image.mode == "1" and "transparency" not in image.info:
        return image.convert("L")
    if image.mode in ("PA", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode == "La":
        return image.convert("LA")
    return image.convert("RGB") if image.mode in ("P", "YCbCr", "HSV", "RGBX") else image


_Read = tuple[NDArray[Any], Image.Exif | None, Stated | None, tuple[str, ...]]


def _read_png(path: Path, stream: ByteStream, max_pixels: int) -> _Read:
    png = read_chunks(path, stream, max_pixels, min_side=1)
    if png.depth == 16:
        array = _deep_png(png)
        opacity = png.opacity(array)
    else:
        # the transparent colour is in stored values, which Pillow spreads to 0 to 255 where they are few
        image = _load(path, "png", png.stream(without=b"tRNS" if png.key else b""), max_pixels)
        array = np.asarray(plain(image, str(path)))
        opacity = png.opacity(array if png.depth == 8 else array // _spread(png))
    if opacity is not None:
        full = np.iinfo(array.dtype).max // 255  # alpha has the depth of the colours
        array = np.dstack([array, opacity * array.dtype.type(full)])
    notices = (_first_frame(path),) if png.animated else ()
    return array, read_exif(png.exif) if png.exif else None, png.size, notices


def _read_jpeg(path: Path, stream: ByteStream, max_pixels: int) -> _Read:
    header = jpeg_header(path, stream)
    check_size(path, header.height, header.width, max_pixels, min_side=1, remedy=WHOLE)
    if header.depth != 8 or header.lossless:
        if header.channels == 4:
            raise InputError(
                f"{path}: expected RGB or greyscale, got the colour space CMYK; convert it to RGB"
            )
        stream.seek(0)
        return np.asarray(imagecodecs.jpeg_decode(stream.read())), None, None, ()
    image = _load(path, "jpeg", stream, max_pixels)
    notices = (_first_frame(path),) if "mp" in image.info else ()
    size = from_dpi(image.info.get("dpi"))
    return np.asarray(plain(image, str(path))), read_exif(image), size, notices


def _read_bmp(path: Path, stream: ByteStream, max_pixels: int) -> _Read:
    image = _load(path, "bmp", stream, max_pixels)
    size = from_dpi(image.info.get("dpi"))
    if image.mode == "RGBA" and not np.asarray(image)[..., 3].any():
        image = image.convert("RGB")  # many writers leave the fourth byte zero; no viewer looks at it
    return np.asarray(plain(image, str(path))), None, size, ()


def _read_jpeg2000(path: Path, stream: ByteStream, max_pixels: int) -> _Read:
    header = jpeg2000_header(path, stream)
    _check_jpeg2000(path, header, max_pixels)
    image = _open("jpeg2000", stream)
    size = from_dpi(image.info.get("dpi"))
    if header.depth > 8 and not header.sycc:
        stream.seek(0)
        return np.asarray(imagecodecs.jpeg2k_decode(stream.read())), None, size, ()
    image.load()
    return np.asarray(plain(image, str(path))), None, size, ()


def _read_webp(path: Path, stream: ByteStream, max_pixels: int) -> _Read:
    image = _decoded(path, "webp", stream, max_pixels)
    notices = (_first_frame(path),) if getattr(image, "n_frames", 1) > 1 else ()
    return np.asarray(plain(image, str(path))), read_exif(image), None, notices


_READERS: Final = {
    "png": _read_png,
    "jpeg": _read_jpeg,
    "bmp": _read_bmp,
    "jpeg2000": _read_jpeg2000,
    "webp": _read_webp,
}


def _decoded(path: Path, kind: str, stream: ByteStream, max_pixels: int) -> Image.Image:
    """Pillow's image, after the size in its header was checked where opening it takes memory."""
    if kind == "webp":
        check_size(path, *webp_size(path, stream), max_pixels, min_side=1, remedy=WHOLE)
    elif kind == "jpeg2000":
        _check_jpeg2000(path, jpeg2000_header(path, stream), max_pixels)
    return _load(path, kind, stream, max_pixels)


def _load(path: Path, kind: str, stream: ByteStream, max_pixels: int) -> Image.Image:
    image = _open(kind, stream)
    check_size(path, image.height, image.width, max_pixels, min_side=1, remedy=WHOLE)
    image.load()
    return image


def _open(kind: str, stream: ByteStream) -> Image.Image:
    stream.seek(0)
    opened: Image.Image = _PLUGINS[kind](stream)
    return opened


def _check_jpeg2000(path: Path, header: Header, max_pixels: int) -> None:
    check_size(path, header.height, header.width, max_pixels, min_side=1, remedy=WHOLE)
    if not 1 <= header.channels <= 4:
        raise InputError(
            f"{path}: expected 1 channel, RGB or RGBA, got {header.channels} channels; save one channel, or "
            "three as RGB"
        )


def _deep_png(png: Png) -> NDArray[Any]:
    """Values of a PNG of 16 bits, without what its transparent colour would make of them."""
    return np.asarray(imagecodecs.png_decode(png.stream(without=b"tRNS").getvalue()))


def _spread(png: Png) -> int:
    """Factor from a stored grey value to Pillow's, which is 0 to 255."""
    return int(255 // (2**png.depth - 1))


def _first_frame(path: Path) -> str:
    return f"{path.name}: the file holds several pictures (frames); only the first is read"
