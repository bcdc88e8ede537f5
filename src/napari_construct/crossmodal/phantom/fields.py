"""Smooth random fields."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_construct.types import FloatArray


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> FloatArray:
    """(h, w) float32 of mean 0 and variance about 1 that changes over ``scale`` pixels.

    White noise on a grid of spacing ``scale``, enlarged by cubic splines.
    """
    scale = max(scale, 1.0)
    coarse = [int(np.ceil(side / scale)) + 4 for side in shape]
    noise = rng.standard_normal(coarse).astype(np.float32)
    shift = rng.uniform(1, 2, 2)
    field = ndimage.affine_transform(
        noise, np.full(2, 1 / scale), shift, output_shape=shape, order=3, prefilter=False
    )
    return np.asarray(field / 0.48, dtype=np.float32)  # B-splines of noise have a deviation of 0.48
