"""Whether an image is like the training images of its model: the score of a result, and its map."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from napari_construct.types import FloatArray, ShortRepr

KEY: Final = "out_of_distribution"
"""Of the record."""


@dataclass(frozen=True, slots=True)
class OutOfDistribution:
    """How far an image is from the training patches of its model.

    Attributes
    ----------
    score : float
        Median distance of the windows with tissue; about 1 for training patches.
    limit : float
        Score above which the image is out of distribution.
    share : float
        Share of the tissue above the limit, 0 to 1.
    """

    score: float
    limit: float
    share: float

    @property
    def flagged(self) -> bool:
        """Whether the model does not know such images."""
        return self.score > self.limit

    def as_record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"score": self.score, "limit": self.limit, "share": self.share, "flagged": self.flagged}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> OutOfDistribution | None:
        """What a record holds of it; None of models without a guard, and of records of earlier versions."""
        found = record.get(KEY)
        if not isinstance(found, Mapping):
            return None
        numbers = [found.get(name) for name in ("score", "limit", "share")]
        if not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
            return None
        score, limit, share = (float(n) for n in numbers if n is not None)
        return cls(score, limit, share)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DistanceGrid(ShortRepr):
    """Distances on the coarse grid where they were found.

    Attributes
    ----------
    values : ndarray
        (gh, gw) float32.
    cells : tuple of float
        Extent of the image in rows and columns of the grid; the last cells may be cut.
    shape : tuple of int
        Rows and columns of the image.
    """

    values: FloatArray
    cells: tuple[float, float]
    shape: tuple[int, int]

    def map(self) -> FloatArray:
        """(h, w) float32: the distances at the pixels of the image, interpolated linearly."""
        (top, below, down), (left, right, across) = (
            _neighbours(*one) for one in zip(self.shape, self.cells, self.values.shape, strict=True)
        )
        wide = self.values[:, left] * (1 - across) + self.values[:, right] * across
        found: FloatArray = wide[top] * (1 - down)[:, None]
        found += wide[below] * down[:, None]
        return found


def _neighbours(pixels: int, cells: float, count: int) -> tuple[Any, Any, FloatArray]:
    """Of every pixel on an axis: the cells before and behind it, and the weight of the second."""
    at = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, count - 1)
    before = np.floor(at).astype(np.intp)
    return before, np.minimum(before + 1, count - 1), (at - before).astype(np.float32)
