"""Areas and confidence of classes, over all and in each region, summed window by window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.region_set import RegionSet, Window
from napari_construct.results.areas import class_means, class_pixels
from napari_construct.types import BoolMask, FloatArray, LabelImage


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """(k,) pixels and sums of confidence of the classes, and the pixels with tissue."""

    pixels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    tissue: int

    @classmethod
    def of(cls, labels: LabelImage, confidence: FloatArray, tissue: BoolMask, k: int) -> Sums:
        """Of the labels of some pixels, with their confidence and whether they are tissue."""
        counts = class_pixels(labels, k).astype(np.int64)
        weighted = class_pixels(labels, k, confidence).astype(np.float64)
        return cls(counts, weighted, int(np.count_nonzero(tissue)))

    @classmethod
    def total(cls, parts: Iterable[Mapping[str, Any]], k: int) -> Sums:
        """Of records of :meth:`as_record`."""
        rows = list(parts)
        pixels = np.sum([row["pixels"] for row in rows] or [[0] * k], axis=0).astype(np.int64)
        confidence = np.sum([row["confidence"] for row in rows] or [[0.0] * k], axis=0).astype(np.float64)
        return cls(pixels, confidence, sum(int(row["tissue"]) for row in rows))

    @property
    def means(self) -> NDArray[np.float64]:
        """(k,) mean confidence of the classes, NaN where one has no pixel."""
        return class_means(self.confidence, self.pixels)

    def as_record(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "pixels": self.pixels.tolist(),
            "confidence": self.confidence.tolist(),
            "tissue": self.tissue,
        }


@dataclass(frozen=True, slots=True, eq=False)
class RegionSums:
    """Sums over all, and of each region by its number; regions without a pixel are left out."""

    whole: Sums
    regions: Mapping[int, Sums] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        window: Window,
        labels: LabelImage,
        confidence: FloatArray,
        tissue: BoolMask,
        k: int,
        regions: RegionSet | None,
    ) -> RegionSums:
        """Of the pixels (height, width) of a window."""
        found = {
            number: Sums.of(labels[inside], confidence[inside], tissue[inside], k)
            for number, inside in (() if regions is None else regions.masks(window))
        }
        return cls(Sums.of(labels, confidence, tissue, k), found)

    @classmethod
    def total(cls, parts: Iterable[Mapping[str, Any]], k: int) -> RegionSums:
        """Of records of :meth:`as_record`."""
        rows = list(parts)
        of_regions: dict[int, list[Mapping[str, Any]]] = {}
        for row in rows:
            for number, one in row.get("regions", {}).items():
                of_regions.setdefault(int(number), []).append(one)
        return cls(Sums.total(rows, k), {n: Sums.total(found, k) for n, found in sorted(of_regions.items())})

    def region(self, number: int) -> Sums:
        """Of one region."""
        return self.regions.get(number) or Sums.total((), len(self.whole.pixels))

    def as_record(self) -> dict[str, Any]:
        """Plain values."""
        found = {str(number): sums.as_record() for number, sums in self.regions.items()}
        return self.whole.as_record() | ({"regions": found} if found else {})
