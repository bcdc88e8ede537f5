"""Areas and confidence of classes, summed over the blocks of a slide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.results.areas import class_areas, class_means, class_pixels
from napari_construct.types import FloatArray, LabelImage


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """(k,) pixels and sums of confidence of the classes, and the pixels with tissue."""

    pixels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    tissue: int

    @classmethod
    def of(cls, labels: LabelImage, confidence: FloatArray, tissue: int, k: int) -> Sums:
        """Of the labels (h, w) of some pixels with their confidence."""
        counts = class_pixels(labels, k).astype(np.int64)
        return cls(counts, class_pixels(labels, k, confidence).astype(np.float64), tissue)

    @classmethod
    def total(cls, parts: Iterable[Mapping[str, Any]], k: int) -> Sums:
        """Of records of :meth:`as_record`."""
        rows = list(parts)
        pixels = np.sum([row["pixels"] for row in rows] or [[0] * k], axis=0).astype(np.int64)
        confidence = np.sum([row["confidence"] for row in rows] or [[0.0] * k], axis=0).astype(np.float64)
        return cls(pixels, confidence, sum(int(row["tissue"]) for row in rows))

    def as_record(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "pixels": self.pixels.tolist(),
            "confidence": self.confidence.tolist(),
            "tissue": self.tissue,
        }

    def table(self, classes: ClassTable, mpp: tuple[float, float] | None) -> list[dict[str, Any]]:
        """A row for each class: pixels, mm2 where the size of a pixel is known, share, mean confidence."""
        square = None if mpp is None else mpp[0] * mpp[1]
        rows = class_areas(classes.names, self.pixels, self.tissue, square)
        means = class_means(self.confidence, self.pixels).tolist()
        return [row | {"mean confidence": mean} for row, mean in zip(rows, means, strict=True)]
