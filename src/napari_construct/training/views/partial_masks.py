"""Masks that leave places open, and what they say of the cells of a CAM."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.losses.partial_cross_entropy import UNKNOWN
from napari_construct.training.config.parts import AugmentationConfig
from napari_construct.training.randomness import generator
from napari_construct.training.views.augmentation import augment_with_masks
from napari_construct.training.views.mosaic import paste
from napari_construct.training.views.patches import PatchView

__all__ = ["UNKNOWN", "at_cells", "at_pixels", "masked_views"]


def masked_views(
    images: UInt8[Tensor, "b h w 3"],
    masks: UInt8[Tensor, "b h w"],
    config: AugmentationConfig,
    *,
    window: float,
    size: int,
    seed: int,
    step: int,
) -> tuple[Float[Tensor, "b 3 s s"], UInt8[Tensor, "b s s"]]:
    """Random views of images with masks, mosaics included: a function of seed and step.

    Parameters are those of :func:`~napari_construct.training.views.augmentation.augment_with_masks`.
    """
    random = generator(seed, "augmentation", step)
    views, cut = augment_with_masks(images, masks, config, window=window, size=size, generator=random)
    if config.mosaic:
        views, pasted, partner = paste(views, config.mosaic, generator(seed, "mosaic", step))
        cut = torch.where(pasted, cut[partner], cut)
    return views, cut


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
