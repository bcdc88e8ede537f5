"""Pixels of each class of a mask: what areas in tables, records and layers are made from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.types import FloatArray


def class_pixels(labels: NDArray[Any], k: int, weights: FloatArray | None = None) -> NDArray[Any]:
    """(k,) pixels of each class, or the sum of their weights; label ``i + 1`` is class ``i``."""
    flat = None if weights is None else weights.ravel()
    counts: NDArray[Any] = np.bincount(labels.ravel(), weights=flat, minlength=k + 1)[1 : k + 1]
    return counts
