"""How large Zstandard data become, by what their frames say: nothing is decoded.

RFC 8878, section 3.1. A decoder takes the size that a frame states, and without one at most 128 KiB a block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

Read = Callable[[int, int], bytes]
"""Bytes from a place on, at most so many."""

_MAGIC: Final = 0xFD2FB528
_SKIPPABLE: Final = 0x184D2A50
_LARGEST_BLOCK: Final = 2**17
_RUN = 1
"""The type of a block that is one byte, repeated."""


def decoded_size(read: Read, length: int) -> int:
    """The most bytes that a decoder makes of ``length`` bytes of frames.

    Parameters
    ----------
    read : callable
        Gives bytes of the data: a few of each frame and block are asked for.
    length : int
        Of the data.

    Raises
    ------
    ValueError
        If they are no frames.
    """
    at, total = 0, 0
    while at < length:
        magic = _number(read(at, 4), 4)
        if magic & ~0xF == _SKIPPABLE:
            at += 8 + _number(read(at + 4, 4), 4)
            continue
        if magic != _MAGIC:
            raise ValueError("no Zstandard frame")
        at, stated, checked = _header(read, at + 4)
        at, most = _blocks(read, at, length)
        at += 4 if checked else 0
        total += most if stated is None else stated
    if at != length:
        raise ValueError("a Zstandard frame that ends too late")
    return total


def _header(read: Read, at: int) -> tuple[int, int | None, bool]:
    """Where the blocks begin, the size that is stated, and whether a checksum follows them."""
    described = _number(read(at, 1), 1)
    single, sized = bool(described & 0x20), described >> 6
    at += 1 + (0 if single else 1) + (0, 1, 2, 4)[described & 3]
    width = (1 if single else 0, 2, 4, 8)[sized]
    stated = None if not width else _number(read(at, width), width) + (256 if width == 2 else 0)
    return at + width, stated, bool(described & 4)


def _blocks(read: Read, at: int, length: int) -> tuple[int, int]:
    """Where the blocks end, and the most bytes that they become."""
    most, last = 0, False
    while not last:
        if at >= length:
            raise ValueError("a Zstandard frame without its last block")
        header = _number(read(at, 3), 3)
        last, size = bool(header & 1), header >> 3
        at += 3 + (1 if header >> 1 & 3 == _RUN else size)
        most += _LARGEST_BLOCK
    return at, most


def _number(found: bytes, width: int) -> int:
    if len(found) != width:
        raise ValueError("a Zstandard frame that is cut off")
    return int.from_bytes(found, "little")
