"""Glass on a slide: white areas that are large, although only parts of them are seen at once.

While the network looks at tiles, what is white is written down for the centre of each cell. Whether a white
area is large enough to be glass is decided on that map, in squares of :data:`SQUARE` pixels; in a block of
the slide, the outline of the area is that of its pixels, and areas that lie within the block are measured
there.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_construct.inference.decision.glass import LARGE_SHARE, background_mask, large_areas
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.types import BoolMask, RGBImage

UNSEEN: Final = 0
TISSUE: Final = 1
WHITE: Final = 2
"""What is written down for a cell."""

SQUARE: Final = 16
"""Side in pixels of the squares on which areas are measured."""


def white_pixels(image: RGBImage, rule: BackgroundRule) -> BoolMask:
    """Pixels (h, w) that are bright and pale after the rule's blur, however small their area."""
    return background_mask(image, rule.model_copy(update={"min_area": 0.0}))


def large_squares(seen: NDArray[np.uint8], stride: int, rule: BackgroundRule) -> BoolMask:
    """Squares of a slide that belong to large areas of white or of what was not looked at.

    Parameters
    ----------
    seen : ndarray
        (rows, columns) codes of the cells.
    stride : int
        Pixels per cell.
    rule : BackgroundRule
        With the least area.

    Returns
    -------
    ndarray
        (rows, columns) bool of squares of :data:`SQUARE` pixels.
    """
    step = max(SQUARE // stride, 1)
    rows, columns = (-(-side // step) for side in seen.shape)
    white = np.zeros((rows, columns), dtype=np.bool_)
    for row in range(rows):  # one band in memory at a time
        band = np.asarray(seen[row * step : (row + 1) * step]) != TISSUE
        band = np.pad(band, ((0, 0), (0, columns * step - band.shape[1])), mode="edge")
        white[row] = band.reshape(len(band), columns, step).mean((0, 2)) >= 0.5
    if not rule.enabled:
        return np.zeros_like(white)
    return large_areas(white, min(rule.min_area / (step * stride) ** 2, white.size * LARGE_SHARE))


def at_cells(squares: BoolMask, stride: int, rows: slice, columns: slice) -> BoolMask:
    """Squares at cells of ``stride`` pixels: those of some rows and columns of cells."""
    step = max(SQUARE // stride, 1)
    down, across = (np.arange(part.start, part.stop) // step for part in (rows, columns))
    found: BoolMask = squares[np.ix_(down, across)]
    return found


def block_glass(image: RGBImage, rule: BackgroundRule, large: BoolMask) -> BoolMask:
    """Glass in a part of a slide.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB.
    rule : BackgroundRule
        Of the model, or of settings.
    large : ndarray
        (h, w) bool, where :func:`large_squares` lie.

    Returns
    -------
    ndarray
        (h, w) bool: white areas that are large, or go on outside and mostly lie where large ones are.
    """
    if not rule.enabled:
        return np.zeros(image.shape[:2], dtype=np.bool_)
    areas, count = ndimage.label(white_pixels(image, rule))
    sizes = np.bincount(areas.ravel(), minlength=count + 1)
    kept = sizes >= rule.min_area
    at_border = np.unique(np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]]))
    known = np.bincount(areas.ravel(), weights=large.ravel(), minlength=count + 1)
    kept[at_border] |= (known >= 0.5 * sizes)[at_border]
    kept[0] = False
    glass: BoolMask = kept[areas]
    return glass


def is_tissue(seen: Any, squares: BoolMask, stride: int) -> BoolMask:
    """Cells (rows, columns) of a slide that hold tissue."""
    whole = np.asarray(seen)
    rows, columns = (slice(0, side) for side in whole.shape)
    glass = (whole == UNSEEN) | ((whole == WHITE) & at_cells(squares, stride, rows, columns))
    tissue: BoolMask = ~glass
    return tissue
