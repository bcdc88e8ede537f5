"""How large and how small an image may be, and how a damaged one is reported."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import tifffile

from napari_construct.exceptions import InputError
from napari_construct.reading.damage import damaged, unsupported

__all__ = [
    "DECODER_ERRORS",
    "MAX_CHANNELS",
    "MAX_PIXELS",
    "METADATA_ERRORS",
    "MIN_SIDE",
    "WHOLE",
    "check_size",
    "damaged",
    "decoding",
    "unsupported",
]

MAX_PIXELS: Final = 100_000_000
"""Default bound on the pixels of one image (10,000 x 10,000; 300 MB of RGB), checked before decoding."""

MIN_SIDE: Final = 16
"""Shortest side in pixels an image may have; below it there is no tissue to look at."""

MAX_CHANNELS: Final = 256
"""Channels of one image of a microscope; multiplexed imaging has some dozens."""

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

METADATA_ERRORS: Final = (*DECODER_ERRORS, AttributeError, AssertionError)
"""The same, and what metadata of another form than expected lead to."""


WHOLE: Final = (
    "save it as a tiled TIFF (QuPath, vips) and segment a region of it (--region; in Python a "
    "larger max_pixels)"
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


@contextmanager
def decoding(path: Path, errors: tuple[type[Exception], ...] = DECODER_ERRORS) -> Iterator[None]:
    """Turn whatever decoders raise inside into the error that says what to do.

    Raises
    ------
    InputError
        That of the block, or that of a damaged file.
    """
    try:
        yield
    except InputError:
        raise
    except ImportError as error:  # a codec that a library was built without
        raise unsupported(path, error) from error
    except errors as error:
        raise damaged(path, error) from error
