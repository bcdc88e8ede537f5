"""The format of an image file, judged by its first bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_construct.exceptions import InputError
from napari_construct.reading.regular import open_regular

_SIGNATURES: Final = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"BM": "bmp",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"II+\x00": "tiff",
    b"MM\x00+": "tiff",
}


def image_format(path: Path) -> str:
    """``png``, ``jpeg``, ``bmp`` or ``tiff`` by the first bytes of a file."""
    with open_regular(path) as stream:
        start = stream.read(16)
    if not start:
        raise InputError(f"{path}: expected an image, the file is empty; get it again")
    for signature, name in _SIGNATURES.items():
        if start.startswith(signature):
            return name
    raise InputError(
        f"{path}: expected a PNG, JPEG, BMP, TIFF or SVS image, got something else; convert it to PNG"
    )
