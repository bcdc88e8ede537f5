"""Masks that leave places open, and what they say of the cells of a CAM."""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import UInt8
from torch import Tensor

from napari_construct.training.views.patches import PatchView

UNKNOWN: Final = 255
"""Value of a pixel or cell whose class is left open."""


def at_cells(masks: UInt8[Tensor, "b h w"], shape: tuple[int, int]) -> UInt8[Tensor, "b gh gw"]:
    """The pixel in the middle of every cell of a CAM of ``shape``."""
    rows, columns = masks.shape[-2] // shape[0], masks.shape[-1] // shape[1]
    return masks[:, rows // 2 :: rows, columns // 2 :: columns]


def at_pixels(named: UInt8[Tensor, "b gh gw"], view: PatchView) -> UInt8[Tensor, "b h w"]:
    """Pseudo labels of the central views as masks of whole patches; ``UNKNOWN`` around the view."""
    masks = named
    for axis, (side, cells) in enumerate(zip(view.side, named.shape[1:], strict=True), start=1):
        place = ((torch.arange(side) + 0.5 - side / 2) / view.window + 0.5) * cells
        inside = (place >= 0) & (place < cells)
        masks = masks.index_select(axis, place.clamp(0, cells - 1).long().to(named.device))
        shape = [1, 1, 1]
        shape[axis] = side
        masks = masks.masked_fill(~inside.reshape(shape).to(named.device), UNKNOWN)
    return masks
