"""PNG files without what is not needed of them: profiles, texts and further frames of an animation.

Profiles of scanners and texts of programs may be larger than decoders accept. The chunks that make the
pixels are copied to a new file in memory, and only that is decoded.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.limits import WHOLE, check_size, damaged
from napari_construct.data.resolution import Stated, per_unit
from napari_construct.exceptions import InputError
from napari_construct.types import ByteStream

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PIXELS: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_SMALL: Final = {b"IHDR": 13, b"PLTE": 768, b"tRNS": 256, b"IEND": 0, b"pHYs": 9, b"eXIf": 1_000_000}
"""Longest content in bytes of chunks that are read."""

_GREY, _RGB = 0, 2


@dataclass(slots=True)
class Png:
    """What the chunks of a PNG say.

    Attributes
    ----------
    width, height, depth, colour : int
        Of the header; the depth in bits of a channel.
    chunks : list of bytes
        Whole chunks that make the pixels, in their order.
    key : tuple of int
        The colour that means transparent, in stored values; empty without.
    size : Stated or None
        Micrometres per pixel of ``pHYs``.
    exif : bytes
        Content of ``eXIf``.
    animated : bool
        Whether there are further frames.
    """

    width: int
    height: int
    depth: int
    colour: int
    chunks: list[bytes] = field(default_factory=list)
    key: tuple[int, ...] = ()
    size: Stated | None = None
    exif: bytes = b""
    animated: bool = False

    def stream(self, *, without: bytes = b"") -> io.BytesIO:
        """A PNG file of the pixels alone."""
        kept = (chunk for chunk in self.chunks if chunk[4:8] != without)
        return io.BytesIO(_SIGNATURE + b"".join(kept))

    def opacity(self, array: NDArray[np.generic]) -> NDArray[np.uint8] | None:
        """(h, w) 0 where pixels (h, w) or (h, w, 3) have the transparent colour, else 255; None without."""
        if not self.key:
            return None
        found = array == np.asarray(self.key, dtype=np.int64)
        return np.where(found.all(axis=2) if found.ndim == 3 else found, 0, 255).astype(np.uint8)


def read_chunks(path: Path, stream: ByteStream, max_pixels: int, min_side: int) -> Png:
    """The chunks of a PNG whose size was checked before any other chunk is read.

    Raises
    ------
    InputError
        If the header is none, the image is too large, or a chunk is needed that nobody here knows.
    """
    end = stream.seek(0, io.SEEK_END)
    stream.seek(len(_SIGNATURE))
    kind, content, whole = _chunk(stream, end)
    if kind == b"CgBI":
        raise InputError(f"{path}: expected a PNG, got the variant for iOS applications; save it as PNG")
    if kind != b"IHDR" or len(content) != 13:
        raise damaged(path, "no header")
    width, height, depth, colour = struct.unpack(">IIBB", content[:10])
    check_size(path, height, width, max_pixels, min_side, remedy=WHOLE)
    png = Png(width, height, depth, colour, [whole])
    while True:
        kind, content, whole = _chunk(stream, end)
        if not whole:
            return png  # the decoder says what is missing
        if kind in _PIXELS:
            png.chunks.append(whole)
        elif kind[:1].isupper():
            raise InputError(
                f"{path}: expected a usual PNG, got one with the unknown part {kind!r}; save it again as PNG"
            )
        if kind == b"tRNS" and colour in (_GREY, _RGB) and len(content) % 2 == 0:
            png.key = struct.unpack(f">{len(content) // 2}H", content)
        elif kind == b"pHYs" and len(content) == 9 and content[8] == 1:
            across, down = struct.unpack(">II", content[:8])
            png.size = Stated(per_unit(across, 1e6), per_unit(down, 1e6), "pHYs")
        elif kind == b"eXIf":
            png.exif = content
        png.animated |= kind == b"acTL"
        if kind == b"IEND":
            return png


def _chunk(stream: ByteStream, end: int) -> tuple[bytes, bytes, bytes]:
    """Kind, content and all bytes of the next chunk; without content where that is not needed."""
    start = stream.read(8)
    if len(start) < 8:
        return b"", b"", start
    length, kind = struct.unpack(">I4s", start)
    if kind != b"IDAT" and length > _SMALL.get(kind, -1):
        stream.seek(length + 4, io.SEEK_CUR)
        return kind, b"", start
    rest = stream.read(min(length + 4, end - stream.tell()))  # lengths that are claimed take no memory
    content = b"" if kind == b"IDAT" else rest[:length]
    return kind, content, start + rest
