"""How many bits of a TIFF's samples are used, and their range as 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_BAND: Final = 2**22
"""Samples that are converted at a time: conversions need several copies."""

_MAX_SAMPLE_VALUE: Final = 281


def depth_of(array: NDArray[Any], page: Any) -> int:
    """Bits of a sample that are used: as stated by BitsPerSample, or by MaxSampleValue in 16 bits."""
    stored = 8 * array.dtype.itemsize
    if array.dtype == bool:
        return 1
    bits = page.bitspersample
    if not isinstance(bits, int) or bits > stored:  # samples of different depth are scaled by the decoder
        return stored
    if bits == 16 and array.dtype == np.uint16 and array.size:
        limit = page.tags.valueof(_MAX_SAMPLE_VALUE)
        limit = max(limit) if isinstance(limit, tuple) and limit else limit
        if isinstance(limit, int) and limit in {2**b - 1 for b in range(9, 16)} and array.max() <= limit:
            return limit.bit_length()
    return bits


def full_scale(array: NDArray[Any], page: Any) -> float:
    """The value of full brightness; of floats 1 or 255, whichever holds them."""
    if array.dtype.kind == "f":
        high = float(array.max()) if array.size else 1.0
        return 1.0 if not high > 1.05 else max(255.0, high)
    if array.dtype.kind == "i":
        return float(np.iinfo(array.dtype).max)
    return float(2 ** depth_of(array, page) - 1)


def scaled_to_8_bit(array: NDArray[Any], full: float) -> NDArray[np.uint8]:
    """uint8 of values from 0 to ``full``."""
    factor = np.float32(255 / full)
    scaled: NDArray[np.uint8] = in_bands(
        array, lambda part: np.rint(np.minimum(part * factor, 255)), np.dtype(np.uint8)
    )
    return scaled


def in_bands(
    array: NDArray[Any], convert: Callable[[NDArray[Any]], NDArray[Any]], dtype: np.dtype[Any] | None = None
) -> NDArray[Any]:
    """The array with its first samples replaced by what ``convert`` makes of them, some rows at a time."""
    out = array.copy() if dtype is None else np.empty(array.shape, dtype)
    rows = max(1, _BAND // max(1, array[0].size)) if len(array) else 1
    for top in range(0, len(array), rows):
        part = convert(array[top : top + rows])
        if array.ndim == 3:
            out[top : top + rows, :, : part.shape[2]] = part
        else:
            out[top : top + rows] = part
    return out
