"""How large and how small an image may be, and how a damaged one is reported."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Final

import tifffile

from napari_construct.exceptions import InputError
from napari_construct.reading.damage import damaged

__all__ = ["DECODER_ERRORS", "MAX_PIXELS", "MIN_SIDE", "check_size", "damaged", "unsupported"]

MAX_PIXELS: Final = 100_000_000
"""Default bound on the pixels of one image (10,000 x 10,000; 300 MB of RGB), checked before decoding."""

MIN_SIDE: Final = 16
"""Shortest side in pixels an image may have; below it there is no tissue to look at."""

DECODER_ERRORS: Final = (
    OSError,
    SyntaxError,  # Pillow's way to say "not a PNG"
    ValueError,
    RuntimeError,  # imagecodecs' codec errors derive from it
    LookupError,
    TypeError,
    EOFError,
    ArithmeticError,  # tifffile divides by the tile size it was told
    MemoryError,
    struct.error,
    zlib.error,
    tifffile.TiffFileError,
)
"""What Pillow, tifffile and the codecs raise on a damaged file."""


WHOLE: Final = (
    "save it as a tiled TIFF (QuPath, vips) and segment a region of it (--region on the command line), or "
    "raise max_pixels in Python"
)
"""What to do with a large file whose format is decoded as a whole."""


def check_size(
    name: str | Path,
    height: int,
    width: int,
    max_pixels: int,
    min_side: int = MIN_SIDE,
    *,
    remedy: str = "take a part of it (a slice of the array; the part on view in napari)",
) -> None:
    """Refuse an image with too many pixels or too short a side, before memory is taken for it."""
    if height * width > max_pixels:
        raise InputError(
            f"{name}: expected at most {max_pixels:,} pixels, got {height} x {width} = {height * width:,}; "
            f"{remedy}"
        )
    if min(height, width) < min_side:
        raise InputError(
            f"{name}: expected at least {min_side} pixels a side, got {height} x {width}; use a larger region"
        )


def unsupported(path: Path, reason: str, remedy: str) -> InputError:
    """The error for a whole file with a feature that no library here reads."""
    return InputError(f"{path}: expected RGB or greyscale in a common form, got {reason[:200]}; {remedy}")
