"""The format of an image file, judged by its first bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_construct.data.format_names import IMAGE_FORMATS
from napari_construct.exceptions import InputError
from napari_construct.reading.regular import open_regular

_SIGNATURES: Final = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"BM": "bmp",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "jpeg2000",
    b"\xff\x4f\xff\x51": "jpeg2000",  # the bare codestream, .j2k
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"II+\x00": "tiff",
    b"MM\x00+": "tiff",
}

LOSSY: Final = frozenset({"jpeg", "jpeg2000", "webp"})
"""Formats whose values are usually not exact, so that they hold no masks."""

_OTHERS: Final = {
    b"GIF8": "a GIF",
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop file",
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": "a JPEG XL",
    b"\xff\x0a": "a JPEG XL",
    b"\x89HDF": "an HDF5 file",
    b"PK\x03\x04": "a ZIP archive",
    b"ZISRAWFILE": "a Zeiss CZI file",
    b"\x8aMNG": "an MNG",
}


def image_format(path: Path) -> str:
    """``png``, ``jpeg``, ``bmp``, ``jpeg2000``, ``webp`` or ``tiff`` by the first bytes of a file."""
    with open_regular(path) as stream:
        start = stream.read(16)
    if not start:
        raise InputError(f"{path}: expected an image, the file is empty; get it again")
    for signature, name in _SIGNATURES.items():
        if start.startswith(signature):
            return name
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "webp"
    raise InputError(f"{path}: expected an image ({IMAGE_FORMATS}), got {_what(start)}; convert it to PNG")


def _what(start: bytes) -> str:
    """A known format that is not read, in words."""
    if start[4:8] == b"ftyp":
        return "a HEIC, AVIF or film"
    return next(
        (name for signature, name in _OTHERS.items() if start.startswith(signature)), "something else"
    )
