"""Masks that leave places open, and what they say of the cells of a CAM."""

from __future__ import annotations

from typing import Final

from jaxtyping import UInt8
from torch import Tensor

UNKNOWN: Final = 255
"""Value of a pixel or cell whose class is left open."""


def at_cells(masks: UInt8[Tensor, "b h w"], shape: tuple[int, int]) -> UInt8[Tensor, "b gh gw"]:
    """The pixel in the middle of every cell of a CAM of ``shape``."""
    rows, columns = masks.shape[-2] // shape[0], masks.shape[-1] // shape[1]
    return masks[:, rows // 2 :: rows, columns // 2 :: columns]
