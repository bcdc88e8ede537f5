"""Glass in a part of a slide: areas that reach the border of the part may be large ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_construct.inference.decision.glass import LARGE_SHARE, background_mask
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.types import RGBImage


def touching_background(image: RGBImage, rule: BackgroundRule) -> NDArray[np.bool_]:
    """As :func:`~napari_construct.inference.decision.glass.background_mask`, for a part of an image.

    An area at the border of the part may go on outside, so it counts as large.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB, a part.
    rule : BackgroundRule
        Of the model, or of settings.

    Returns
    -------
    ndarray
        (h, w) bool, True where there is no tissue.
    """
    if not rule.enabled:
        return np.zeros(image.shape[:2], dtype=np.bool_)
    white = background_mask(image, rule.model_copy(update={"min_area": 0.0}))
    areas, count = ndimage.label(white)
    if not count:
        return white
    large = np.bincount(areas.ravel()) >= min(rule.min_area, white.size * LARGE_SHARE)
    for side in (areas[0], areas[-1], areas[:, 0], areas[:, -1]):
        large[side] = True
    large[0] = False
    kept: NDArray[np.bool_] = large[areas]
    return kept
