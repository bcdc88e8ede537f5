"""Glass and white tissue: where there is nothing to classify."""

from __future__ import annotations

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

_STRIP_PIXELS: Final = 32 * 1024
"""Of an image that are blurred at once: as many as stay in a processor's cache, which is five times as fast
as scipy's filter."""

_ROUNDING: Final = 1e-3
"""Grey levels by which single precision may miss a value that is just on a limit, as in even areas."""

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
    if np.count_nonzero(mask) < min_area:
        return np.zeros_like(mask)
    areas, _ = ndimage.label(mask)
    large = np.bincount(areas.ravel()) >= min_area
    large[0] = False
    kept: npt.NDArray[np.bool_] = large[areas]
    return kept


def _white(image: RGBImage, rows: slice, rule: BackgroundRule) -> npt.NDArray[np.bool_]:
    """Where some rows are bright and pale after a blur, which sees the rows around them."""
    (h, w), weights = image.shape[:2], _half_gaussian(rule.sigma)
    reach = len(weights) - 1
    step = max(_STRIP_PIXELS // w, 2 * reach, 1)
    white = np.empty((rows.stop - rows.start, w), dtype=np.bool_)
    for start in range(rows.start, rows.stop, step):
        stop = min(start + step, rows.stop)
        around = image[np.arange(start - reach, stop + reach).clip(0, h - 1)]
        around = np.pad(around, ((0, 0), (reach, reach), (0, 0)), mode="edge")
        flat = around.reshape(len(around), -1).astype(np.float32)
        down = _weighted(flat, weights, (stop - start, flat.shape[1]), (1, 0))
        red, green, blue = _weighted(down, weights, (stop - start, 3 * w), (0, 3)).reshape(-1, w, 3).T
        darkest = np.minimum(np.minimum(red, green), blue).T
        brightest = np.maximum(np.maximum(red, green), blue).T
        pale = brightest - darkest <= rule.chroma + _ROUNDING
        white[start - rows.start : stop - rows.start] = (darkest >= rule.brightness - _ROUNDING) & pale
    return white


def _half_gaussian(sigma: float) -> list[np.float32]:
    """Weights of a Gaussian from its middle to one end."""
    if not sigma:
        return [np.float32(1)]
    offsets = np.arange(int(_TRUNCATE * sigma + 0.5) + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    return list((weights / (2 * weights.sum() - 1)).astype(np.float32))


def _weighted(
    x: npt.NDArray[np.float32], weights: list[np.float32], shape: tuple[int, int], step: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Symmetric weighted sum of neighbours ``step`` apart; ``x`` is larger than ``shape`` by them."""
    reach = len(weights) - 1

    def moved(by: int) -> npt.NDArray[np.float32]:
        top, left = ((reach + by) * one for one in step)
        return x[top : top + shape[0], left : left + shape[1]]

    total: npt.NDArray[np.float32] = moved(0) * weights[0]
    for i in range(1, reach + 1):
        pair = moved(-i) + moved(i)
        pair *= weights[i]
        total += pair
    return total
