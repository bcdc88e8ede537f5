"""How large a compressed strip or tile claims to be, before a decoder takes memory for it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from napari_construct.data.pictures.headers import jpeg2000_header, jpeg_header, webp_size

OLD_JPEG: Final = 6
LERC: Final = 34887
_JPEG: Final = (OLD_JPEG, 7, 34892, 33007)
_JPEG_2000: Final = (33003, 33004, 33005, 34712)
_PNG: Final = (34933,)
_WEBP: Final = (34927, 50001)
_JPEG_XL: Final = (50002, 52546)
_JPEG_XR: Final = (22610, 34934)

_JPEG_XL_BOX: Final = b"\0\0\0\x0cJXL \r\n\x87\n"
_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def claims_size(compression: int) -> bool:
    """Whether the segments of a compression have a size of their own."""
    return compression in (*_JPEG, *_JPEG_2000, *_PNG, *_WEBP, *_JPEG_XL, *_JPEG_XR, LERC)


def claimed_size(path: Path, compression: int, data: bytes) -> tuple[int, int]:
    """Rows and columns that a segment claims.

    Parameters
    ----------
    path : Path
        The file, for errors.
    compression : int
        The TIFF's number for it; one of :func:`claims_size`.
    data : bytes
        The segment.

    Raises
    ------
    InputError, ValueError, LookupError
        If there is no size in the header.
    """
    if compression in _JPEG or compression in _JPEG_2000:
        header = (jpeg_header if compression in _JPEG else jpeg2000_header)(path, io.BytesIO(data))
        return header.height, header.width
    if compression in _PNG:
        return int.from_bytes(_part(data, 20, 4), "big"), int.from_bytes(_part(data, 16, 4), "big")
    if compression in _WEBP:
        return webp_size(path, io.BytesIO(data))
    if compression == LERC:
        return _lerc(data)
    return (_jpeg_xl if compression in _JPEG_XL else _jpeg_xr)(data)


def _lerc(data: bytes) -> tuple[int, int]:
    """Of Lerc2, and of the older CntZImage."""
    if data.startswith(b"Lerc2 "):
        start = 14 if _number(data, 6) >= 3 else 10  # a checksum since version 3
        return _number(data, start), _number(data, start + 4)
    if data.startswith(b"CntZImage "):
        return _number(data, 18), _number(data, 22)
    raise ValueError("no LERC")


def _jpeg_xr(data: bytes) -> tuple[int, int]:
    """Of the codestream, which the decoder believes (ITU-T T.832, 8.3 and A.7)."""
    count_at = _number(data, 4)
    entries = range(count_at + 2, count_at + 2 + 12 * _number(data, count_at, 2), 12)
    starts = [_number(data, entry + 8) for entry in entries if _number(data, entry, 2) == 0xBCC0]
    start = starts[0]
    if data[start : start + 8] != b"WMPHOTO\0":
        raise ValueError("no JPEG XR")
    size = 2 if data[start + 10] & 0x80 else 4
    width, height = (int.from_bytes(_part(data, start + 12 + size * i, size), "big") + 1 for i in (0, 1))
    return height, width


def _jpeg_xl(data: bytes) -> tuple[int, int]:
    """Of the codestream's SizeHeader (ISO/IEC 18181-1, D.2)."""
    bits = int.from_bytes(_codestream(data)[:32], "little") >> 16
    read = 0

    def take(count: int) -> int:
        nonlocal read
        read += count
        return bits >> (read - count) & ((1 << count) - 1)

    small = bool(take(1))

    def side() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    ratio = take(3)
    if not ratio:
        return height, side()
    over, under = _RATIOS[ratio - 1]
    return height, height * over // under


def _codestream(data: bytes) -> bytes:
    """The beginning of a JPEG XL codestream, bare or in boxes."""
    at = 0
    if data.startswith(_JPEG_XL_BOX):
        at = len(_JPEG_XL_BOX)
        while (kind := _part(data, at + 4, 4)) not in (b"jxlc", b"jxlp"):
            length = int.from_bytes(_part(data, at, 4), "big")
            if length < 8:
                raise ValueError("no JPEG XL codestream")
            at += length
        at += 8 + (8 if data[at : at + 4] == b"\0\0\0\1" else 0) + (4 if kind == b"jxlp" else 0)
    if data[at : at + 2] != b"\xff\x0a":
        raise ValueError("no JPEG XL")
    return data[at : at + 32]


def _number(data: bytes, at: int, size: int = 4) -> int:
    return int.from_bytes(_part(data, at, size), "little")


def _part(data: bytes, at: int, size: int) -> bytes:
    part = data[at : at + size]
    if len(part) < size:
        raise ValueError("it ends in its header")
    return part
