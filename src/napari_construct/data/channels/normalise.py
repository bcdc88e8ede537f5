"""Brightness of a channel as a network sees it: between percentiles, from 0 to 1."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.channels.image import ChannelImage
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.types import FloatArray

SAMPLES: Final = 2**22
"""Pixels from which percentiles are found; of larger channels every n-th row and column."""

_BAND: Final = 2**22
_LARGEST_FLOAT32_STEP: Final = 1e37


def percentile_normalised(
    channel: NDArray[Any],
    low: float = 1.0,
    high: float = 99.8,
    limits: tuple[float, float] | None = None,
) -> FloatArray:
    """A channel scaled so that two of its percentiles become 0 and 1, and cut there.

    Where both percentiles are equal - a few bright pixels on black - the least and the largest value take
    their place; a constant channel becomes zero.

    Parameters
    ----------
    channel : ndarray
        (h, w), any integer or float type.
    low, high : float
        Percentiles, 0 to 100.
    limits : tuple of float, optional
        Values that become 0 and 1, where they are known already: those of the whole image
        (:func:`percentile_limits`) of which the channel is a part. A part then has the values that it has in
        the normalised whole.

    Returns
    -------
    ndarray
        (h, w) float32 in [0, 1]. The same array gives the same result everywhere: of channels with more than
        four million pixels, the percentiles are those of a regular grid.

    Raises
    ------
    ConfigurationError
        If the percentiles are not in order.
    InputError
        If values are NaN or infinite, or the array is not (h, w).
    """
    bottom, top = percentile_limits(channel, low, high) if limits is None else limits
    out = np.zeros(channel.shape, np.float32)
    if not top > bottom:
        return out
    exact = channel.dtype.itemsize <= 4 and channel.dtype.kind != "i" and top - bottom < _LARGEST_FLOAT32_STEP
    kind = np.float32 if exact and channel.dtype != np.uint32 else np.float64
    rows = max(1, _BAND // channel.shape[1])
    for start in range(0, len(channel), rows):
        part: NDArray[Any] = channel[start : start + rows].astype(kind)
        np.clip(part, bottom, top, out=part)
        out[start : start + rows] = (part - kind(bottom)) / (kind(top) - kind(bottom))
    return np.clip(out, 0, 1, out=out)


def normalised_channel(image: ChannelImage, index: int, low: float = 1.0, high: float = 99.8) -> FloatArray:
    """One channel (h, w) of an image as a network sees it; of a part, with the limits of its whole.

    See :func:`percentile_normalised`. Training, teachers and segmentation all see a channel this way.
    """
    limits = None if image.limits is None else image.limits[index](low, high)
    return percentile_normalised(image.pixels[index], low, high, limits)


def percentile_limits(channel: NDArray[Any], low: float = 1.0, high: float = 99.8) -> tuple[float, float]:
    """The values of a channel (h, w) that :func:`percentile_normalised` makes 0 and 1; errors as there."""
    if not 0 <= low < high <= 100:
        raise ConfigurationError(
            f"expected percentiles 0 <= low < high <= 100, got {low} and {high}; 1 and 99.8 are usual"
        )
    if channel.ndim != 2 or channel.dtype.kind not in "buif":
        raise InputError(
            f"expected one channel (h, w) of numbers, got {channel.dtype} {channel.shape}; choose one channel"
        )
    if not channel.size:
        return 0.0, 0.0
    least, largest = float(channel.min()), float(channel.max())
    if not (math.isfinite(least) and math.isfinite(largest)):
        raise InputError(
            "expected finite values in a channel, got NaN or infinite ones; replace or crop them"
        )
    step = max(1, math.ceil(math.sqrt(channel.size / SAMPLES)))
    sample = channel[::step, ::step].astype(np.float64)
    bottom, top = np.percentile(sample, [low, high])
    return (float(bottom), float(top)) if top > bottom else (least, largest)
