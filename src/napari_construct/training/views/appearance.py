"""What differs between slides and scanners but not between tissues: stain, colour, focus, noise.

Few slides carry most training sets, and a class that occurs on one slide only is easily mistaken for
that slide's look. These changes take the look away: they give a view the stain of another, or none.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

DARKEST = 0.02
"""Added to transmission, so that black has a finite optical density."""


def swap_stain(
    images: Float[Tensor, "b 3 h w"], partner: Tensor, amount: Float[Tensor, "b 1 1 1"]
) -> Float[Tensor, "b 3 h w"]:
    """Move mean and spread of each channel's optical density towards those of another view.

    Colour transfer by moments (Reinhard et al. 2001), in optical density, where stains add up.

    Parameters
    ----------
    images : Tensor
        RGB in [0, 1].
    partner : Tensor
        (b,) int64; whose statistics each view receives.
    amount : Tensor
        0 changes nothing, 1 moves all the way.
    """
    density = -(images.clamp(0, 1) * (1 - DARKEST) + DARKEST).log()
    mean = density.mean((2, 3), keepdim=True)
    spread = density.std((2, 3), keepdim=True).clamp_min(DARKEST)
    wanted_mean = mean + (mean[partner] - mean) * amount
    wanted_spread = spread + (spread[partner] - spread) * amount
    moved = (density - mean) / spread * wanted_spread + wanted_mean
    swapped = (((-moved.clamp(0, 4)).exp() - DARKEST) / (1 - DARKEST)).clamp(0, 1)
    return torch.where(amount > 0, swapped, images)


def mix_grey(images: Float[Tensor, "b 3 h w"], amount: Float[Tensor, "b 1 1 1"]) -> Float[Tensor, "b 3 h w"]:
    """Move every pixel towards the mean of its channels; 1 leaves no colour."""
    return images + (images.mean(1, keepdim=True) - images) * amount


def change_focus(
    images: Float[Tensor, "b 3 h w"], amount: Float[Tensor, "b 1 1 1"], twice: Bool[Tensor, " b"]
) -> Float[Tensor, "b 3 h w"]:
    """Blur (``amount`` up to 1) or sharpen (below 0), by a 3-pixel box, or by two of them."""
    once = _box(images)
    blurred = torch.where(twice[:, None, None, None], _box(once), once)
    return (images + (blurred - images) * amount).clamp(0, 1)


def _box(images: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), 3, 1)
