"""Glass and white tissue: where there is nothing to classify."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_construct.events import Event, Steps, run
from napari_construct.inference.decision.bands import bands
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.types import RGBImage

_TRUNCATE: Final = 3.0
"""Of the blur, in standard deviations."""

LARGE_SHARE: Final = 0.25
"""Share of an image from which a white area counts as large, whatever its pixels."""


def background_mask(image: RGBImage, rule: BackgroundRule) -> npt.NDArray[np.bool_]:
    """Large areas of pixels that are bright and pale after a blur.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB.
    rule : BackgroundRule
        Least brightness of the darkest channel and largest difference between channels, grey levels
        0 to 255, the standard deviation of the blur in pixels, and the least area in pixels; a rule
        that is not enabled finds no background.

    Returns
    -------
    ndarray
        (h, w) bool, True where there is no tissue.
    """
    return run(background_steps(image, rule))


def background_steps(image: RGBImage, rule: BackgroundRule) -> Steps[npt.NDArray[np.bool_]]:
    """As :func:`background_mask`, yielding between its parts."""
    if not rule.enabled:
        return np.zeros(image.shape[:2], dtype=np.bool_)
    white = np.empty(image.shape[:2], dtype=np.bool_)
    for rows in bands(image.shape[0], image.shape[1]):
        white[rows] = _white(image, rows, rule)
        yield Event("refine", 0, 1)
    return large_areas(white, min(rule.min_area, white.size * LARGE_SHARE))


def large_areas(mask: npt.NDArray[np.bool_], min_area: float) -> npt.NDArray[np.bool_]:
    """Connected areas (four neighbours) of a (h, w) mask with at least ``min_area`` pixels."""
    if min_area <= 1:
        return mask
    areas, _ = ndimage.label(mask)
    large = np.bincount(areas.ravel()) >= min_area
    large[0] = False
    kept: npt.NDArray[np.bool_] = large[areas]
    return kept


def _white(image: RGBImage, rows: slice, rule: BackgroundRule) -> npt.NDArray[np.bool_]:
    """Where some rows are bright and pale after a blur, which sees the rows around them."""
    reach = math.ceil(_TRUNCATE * rule.sigma) + 1
    top = max(rows.start - reach, 0)
    around = image[top : rows.stop + reach]
    own = slice(rows.start - top, rows.stop - top)
    # channel by channel, so that one float channel and two extremes are in memory, not three floats
    darkest = brightest = _blurred(around, 0, rule.sigma)[own]
    for channel in (1, 2):
        values = _blurred(around, channel, rule.sigma)[own]
        darkest, brightest = np.minimum(darkest, values), np.maximum(brightest, values)
    white: npt.NDArray[np.bool_] = (darkest >= rule.brightness) & (brightest - darkest <= rule.chroma)
    return white


def _blurred(image: RGBImage, channel: int, sigma: float) -> npt.NDArray[np.float32]:
    values = image[..., channel].astype(np.float32)
    if sigma > 0:
        ndimage.gaussian_filter(values, sigma, output=values, mode="nearest", truncate=_TRUNCATE)
    return values
