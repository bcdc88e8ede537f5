"""How samples of 16 bits become 8 bits, in the same way all over a slide."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.events import Doubt

_SAMPLED: Final = 64
_DEPTHS: Final = (8, 10, 12, 14, 16)


def spread_places(grid: tuple[int, int]) -> list[tuple[int, int]]:
    """Rows and columns of at most 64 tiles all over a grid; of them the range of a slide is learned."""
    count = grid[0] * grid[1]
    return [divmod(int(i), grid[1]) for i in np.linspace(0, count - 1, min(count, _SAMPLED)).round()]


def bits_of(high: int) -> int:
    """The smallest of 8, 10, 12, 14 and 16 bits that holds a sample."""
    return next(bits for bits in _DEPTHS if high < 2**bits)


def depth_notice(short: str, high: int) -> Doubt:
    """What to say of a slide of 16 bits whose largest sample that was looked at is ``high``."""
    return Doubt(
        f"{short}: uint16 values up to {high} are read as {bits_of(high)}-bit and scaled to 8-bit; if that "
        "is not its range, save the slide as 8-bit RGB"
    )


def to_8_bit(array: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """uint8 of samples of so many bits; larger ones are full brightness."""
    scaled: NDArray[np.uint8] = np.rint(np.minimum(array * np.float32(255 / (2**bits - 1)), 255)).astype(
        np.uint8
    )
    return scaled
