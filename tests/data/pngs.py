"""PNG files written by the book, in every colour type and depth, to depend on no other writer."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6

_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    stored: NDArray[np.integer],
    colour: int,
    depth: int,
    *,
    before: tuple[tuple[bytes, bytes], ...] = (),
    after: tuple[tuple[bytes, bytes], ...] = (),
    interlaced: bool = False,
) -> bytes:
    """A PNG of (h, w) or (h, w, c) stored values, with chunks before and after its pixels."""
    array = stored.reshape(*stored.shape[:2], -1)
    parts = [array[r::dr, c::dc] for r, c, dr, dc in _PASSES] if interlaced else [array]
    rows = b"".join(_rows(part, depth) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], depth, colour, 0, 0, interlaced)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *(chunk(*one) for one in before),
            chunk(b"IDAT", zlib.compress(rows)),
            *(chunk(*one) for one in after),
            chunk(b"IEND", b""),
        )
    )


def _rows(array: NDArray[np.integer], depth: int) -> bytes:
    lines = array.reshape(array.shape[0], -1)
    if depth == 16:
        return b"".join(b"\0" + line.astype(">u2").tobytes() for line in lines)
    if depth == 8:
        return b"".join(b"\0" + line.astype(np.uint8).tobytes() for line in lines)
    bits = np.unpackbits(lines.astype(np.uint8)[..., None], axis=2)[..., 8 - depth :]
    return b"".join(b"\0" + np.packbits(line.ravel()).tobytes() for line in bits)
