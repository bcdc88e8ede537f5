"""Pen strokes on a slide, and the black frame of a scanner."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage

from napari_construct.types import BoolMask, FloatArray

LEAST_DENSITY: Final = 0.3
"""Mean optical density of ink."""

OPAQUE: Final = 1.4
"""Density in every channel that no section has over the width of a stroke; inks over each other do."""

STROKE: Final = 150.0
"""Micrometres that a stroke is wide, at least; tissue that was dyed at its margin has thinner lines."""

SURROUNDINGS: Final = 1500.0
"""Micrometres of a side of the square in which red is looked at: a pen on glass, or blood in tissue."""

SOFT_EDGE: Final = 50.0
"""Micrometres around ink in which its edge fades."""


def ink_mask(density: FloatArray, mpp: float) -> BoolMask:
    """Areas in the colours of pens, as wide as a stroke.

    Parameters
    ----------
    density : ndarray
        (3, h, w) optical density of red, green and blue light above glass, natural logarithm.
    mpp : float
        Micrometres per pixel.

    Returns
    -------
    ndarray
        (h, w) bool.

    Notes
    -----
    Densities of stains stand in fixed proportions, whatever their amount: haematoxylin absorbs red and
    green alike and blue half of it, eosin green alone, DAB blue most (Ruifrok and Johnston, Anal. Quant.
    Cytol. Histol. 23, 2001). Black ink absorbs all alike, blue and green ink red more than green, yellowish
    green ink green least, red ink green and blue alike and hardly red. Blood is as red as some pens: red
    within tissue stays. Violet ink looks like haematoxylin.
    """
    red, green, blue = density
    strong = density.mean(axis=0) >= LEAST_DENSITY
    lightest, most = density.min(axis=0), density.max(axis=0)
    black = (lightest >= 0.75 * most) & (most >= 0.5) | (lightest >= OPAQUE)
    bluish = (red >= 1.2 * green) & (red >= 0.5)
    greenish = (green <= 0.75 * blue) & (green <= 0.75 * red)
    ink = strong & (black | bluish | greenish)
    reddish = strong & (red <= 0.25 * green) & (blue >= 0.7 * green)
    width = max(round(STROKE / mpp), 2)
    window = max(round(SURROUNDINGS / mpp), 3)
    found = _wide(ink, width) | _on_glass(_wide(reddish, width), strong, window)
    return _grown(found, SOFT_EDGE / mpp)


def _wide(mask: BoolMask, width: int) -> BoolMask:
    """Opening: what a square of ``width`` pixels fits into; most of it must be set."""
    if not mask.any():
        return mask
    inner = ndimage.uniform_filter(mask.astype(np.float32), width) > 0.9
    return ndimage.maximum_filter(inner, width + 1) & mask


def _on_glass(mask: BoolMask, strong: BoolMask, window: int) -> BoolMask:
    """The part of a mask around which, the mask left aside, more is glass than as dense."""
    if not mask.any():
        return mask
    dense = ndimage.uniform_filter((strong & ~mask).astype(np.float32), window)
    clear = ndimage.uniform_filter((~strong & ~mask).astype(np.float32), window)
    return mask & (clear >= dense)


def _grown(mask: BoolMask, by: float) -> BoolMask:
    return ndimage.maximum_filter(mask, 2 * max(round(by), 1) + 1) if mask.any() else mask
