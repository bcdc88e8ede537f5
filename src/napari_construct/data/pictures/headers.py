"""What the headers of JPEG, JPEG 2000 and WebP files state, before a decoder takes memory for the pixels."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_construct.data.limits import damaged
from napari_construct.exceptions import InputError
from napari_construct.types import ByteStream

_LOSSLESS_JPEG: Final = (0xC3, 0xCB)
_HIERARCHICAL_JPEG: Final = (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF)
_NO_FRAMES: Final = (0xC4, 0xC8, 0xCC)  # tables and an extension, in the middle of the frames' markers

_CMYK, _SYCC, _CIELAB = 12, 18, 14  # of JPEG 2000's enumerated colour spaces


@dataclass(frozen=True, slots=True)
class Header:
    """Size, bits of the deepest channel, number of channels, and what decides on the decoder."""

    height: int
    width: int
    depth: int
    channels: int
    lossless: bool = False
    sycc: bool = False


def jpeg_header(path: Path, stream: ByteStream) -> Header:
    """The frame of a JPEG.

    Raises
    ------
    InputError
        If there is none, or it is a hierarchical one, which no decoder reads.
    """
    stream.seek(2)
    while True:
        marker = stream.read(2)
        while marker == b"\xff\xff":  # fill bytes
            marker = b"\xff" + stream.read(1)
        length = stream.read(2)
        if len(marker) < 2 or len(length) < 2 or marker[0] != 0xFF:
            raise damaged(path, "no frame header")
        size, code = struct.unpack(">H", length)[0], marker[1]
        if 0xC0 <= code <= 0xCF and code not in _NO_FRAMES:
            break
        stream.seek(max(size - 2, 0), io.SEEK_CUR)
    frame = stream.read(6)
    if len(frame) < 6:
        raise damaged(path, "no frame header")
    if code in _HIERARCHICAL_JPEG:
        raise InputError(f"{path}: expected a usual JPEG, got a hierarchical one; save it as PNG or TIFF")
    depth, height, width, channels = struct.unpack(">BHHB", frame)
    return Header(height, width, depth, channels, lossless=code in _LOSSLESS_JPEG)


def jpeg2000_header(path: Path, stream: ByteStream) -> Header:
    """The codestream's size, and the colour space of the boxes around it.

    Raises
    ------
    InputError
        If there is no codestream, or the colour space has no plain way to RGB.
    """
    stream.seek(0)
    space = 0
    if stream.read(4) == b"\xff\x4f\xff\x51":
        start = 0
    else:
        space, start = _boxes(path, stream)
    if space in (_CMYK, _CIELAB):
        name = "CMYK" if space == _CMYK else "CIELAB"
        raise InputError(f"{path}: expected RGB or greyscale, got the colour space {name}; convert it to RGB")
    stream.seek(start)
    siz = stream.read(42)
    if len(siz) < 42 or siz[:4] != b"\xff\x4f\xff\x51":
        raise damaged(path, "no size in its codestream")
    right, bottom, left, top = struct.unpack(">4I", siz[8:24])
    channels = struct.unpack(">H", siz[40:42])[0]
    parts = stream.read(3 * channels)
    depth = max(((value & 0x7F) + 1 for value in parts[::3]), default=8)
    return Header(bottom - top, right - left, depth, channels, sycc=space == _SYCC)


def _boxes(path: Path, stream: ByteStream) -> tuple[int, int]:
    """Enumerated colour space (0 without) and the offset of the codestream."""
    space, at, end = 0, 0, stream.seek(0, io.SEEK_END)
    while at + 8 <= end:
        stream.seek(at)
        length, kind = struct.unpack(">I4s", stream.read(8))
        content = at + 8
        if length == 1:
            large = stream.read(8)
            length, content = (struct.unpack(">Q", large)[0] if len(large) == 8 else 0), at + 16
        if kind == b"jp2c":
            return space, content
        if kind == b"colr":
            method = stream.read(7)
            if len(method) == 7 and method[0] == 1 and not space:
                space = struct.unpack(">I", method[3:])[0]
        if kind == b"jp2h":
            length = content - at  # a box of boxes: go on inside
        if length < 8:  # 0: up to the end
            break
        at += length
    raise damaged(path, "no codestream")


def webp_size(path: Path, stream: ByteStream) -> tuple[int, int]:
    """Rows and columns of a WebP's canvas."""
    stream.seek(12)
    start = stream.read(18)
    kind, content = start[:4], start[8:]
    if len(content) == 10 and kind == b"VP8X":
        width, height = (int.from_bytes(content[i : i + 3], "little") + 1 for i in (4, 7))
    elif len(content) == 10 and kind == b"VP8L" and content[0] == 0x2F:
        bits = int.from_bytes(content[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif len(content) == 10 and kind == b"VP8 " and content[3:6] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(content[i : i + 2], "little") & 0x3FFF for i in (6, 8))
    else:
        raise damaged(path, "no size in its header")
    return height, width
