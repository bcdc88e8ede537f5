"""One point in each nucleus, found in the nuclear channel: prompts for networks that take points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu

from napari_construct.types import FloatArray


def nuclei_points(nuclear: FloatArray, diameter: float) -> NDArray[np.int64]:
    """Local maxima of the smoothed nuclear channel above Otsu's threshold.

    The width of the smoothing is that at which a disk of this diameter answers a Laplacian of Gaussian
    most, diameter / (2 sqrt 2) (Lindeberg 1998), halved, so that neighbours stay apart.

    Parameters
    ----------
    nuclear : ndarray
        (h, w) float32.
    diameter : float
        Of a nucleus, in pixels.

    Returns
    -------
    ndarray
        (n, 2) rows and columns, the brightest first; none where the channel is flat.
    """
    smooth = gaussian_filter(nuclear.astype(np.float32), diameter / (4 * np.sqrt(2)), mode="nearest")
    if float(smooth.max()) - float(smooth.min()) < 1e-6:
        return np.empty((0, 2), np.int64)
    least: float = threshold_otsu(smooth)  # type: ignore[no-untyped-call]
    apart = max(1, round(diameter / 2))
    found: NDArray[np.int64] = peak_local_max(  # type: ignore[no-untyped-call]
        smooth, min_distance=apart, threshold_abs=least, exclude_border=False
    )
    return found
