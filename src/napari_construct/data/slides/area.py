"""Resampling in which a pixel of the result is the mean of the area that it covers.

A pixel depends on its own area alone, so that parts of a slide that are resampled one by one fit together.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import sparse

from napari_construct.types import RGBImage

_ENLARGES: Final = 0.95
"""Source pixels per pixel of the result from which downwards it is interpolated instead."""

_EXACT: Final = 1e-6


def area_resampled(
    image: RGBImage, rows: tuple[float, float], columns: tuple[float, float], shape: tuple[int, int]
) -> RGBImage:
    """A part of an image in another number of pixels: area means, or bilinear where it is enlarged.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8. Where the part is enlarged, it should reach a pixel beyond the part.
    rows, columns : tuple of float
        Where the part begins and ends, in pixels of the image; inside of it.
    shape : tuple of int
        Rows and columns of the result.
    """
    steps = (rows[1] - rows[0]) / shape[0], (columns[1] - columns[0]) / shape[1]
    factors = round(steps[0]), round(steps[1])
    corner = round(rows[0]), round(columns[0])
    exact = all(
        factor >= 1 and abs(step - factor) * side < _EXACT * factor and abs(start - first) < _EXACT
        for step, factor, side, start, first in zip(
            steps, factors, shape, (rows[0], columns[0]), corner, strict=True
        )
    )
    if exact:
        part = image[
            corner[0] : corner[0] + factors[0] * shape[0], corner[1] : corner[1] + factors[1] * shape[1]
        ]
        if factors == (1, 1):
            return np.ascontiguousarray(part)
        reduced = Image.fromarray(np.ascontiguousarray(part)).reduce((factors[1], factors[0]))
        return np.array(reduced)
    down = _weights(image.shape[0], rows[0], steps[0], shape[0])
    across = _weights(image.shape[1], columns[0], steps[1], shape[1])
    flat = down @ image.reshape(image.shape[0], -1).astype(np.float32)
    turned = flat.reshape(shape[0], -1, 3).transpose(1, 0, 2)
    both = across @ np.ascontiguousarray(turned).reshape(image.shape[1], -1)
    means = both.reshape(shape[1], shape[0], 3).transpose(1, 0, 2)
    resampled: RGBImage = np.ascontiguousarray(np.floor(np.clip(means, 0, 255) + 0.5), np.uint8)
    return resampled


def _weights(size: int, start: float, step: float, count: int) -> Any:
    """(count, size) sparse matrix: what each pixel of the source gives to each of the result."""
    first = start + step * np.arange(count)
    if step < _ENLARGES:  # bilinear between centres of pixels
        centre = np.clip(first + step / 2 - 0.5, 0, size - 1)
        before = np.floor(centre).astype(np.int64)
        share = centre - before
        indices = np.stack([before, np.minimum(before + 1, size - 1)], axis=1)
        return _matrix(np.stack([1 - share, share], axis=1), indices, size)
    reach = int(np.ceil(step)) + 1
    pixels = np.floor(first).astype(np.int64)[:, None] + np.arange(reach)
    overlap = np.minimum(pixels + 1, (first + step)[:, None]) - np.maximum(pixels, first[:, None])
    inside = (pixels >= 0) & (pixels < size)
    overlap = np.where(inside, np.maximum(overlap, 0), 0)
    total = overlap.sum(axis=1, keepdims=True)
    return _matrix(overlap / np.where(total > 0, total, 1), np.clip(pixels, 0, size - 1), size)


def _matrix(values: NDArray[np.float64], indices: NDArray[np.int64], size: int) -> Any:
    count, each = values.shape
    starts = np.arange(0, count * each + 1, each)
    return sparse.csr_matrix(
        (values.astype(np.float32).ravel(), indices.ravel(), starts), shape=(count, size)
    )
