"""Small structures: regions that the CRF erased, and true regions that were found.

A dense CRF with strong kernels clears away small islands. Some of them are noise; some are tumour buds
and lymphoid aggregates, which matter most. So regions are counted by class and size, twice: those of the
mask before the CRF, and how many of them vanished; and those of the truth, and how many were found before
and after the CRF. Only the second says whether an erased region was worth keeping.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_construct.refinement.safeguard import ErasedRegion, compare_masks
from napari_construct.types import LabelImage

SIZES: Final = (16, 256, 1024, 4096, 16384)
"""Least areas in pixels of the bins: squares of 4, 16, 32, 64 and 128 pixels a side. Smaller regions are
specks of interpolation and are not counted."""

FOUND: Final = 0.5
"""A region of the truth counts as found when more than this share of it has its class."""

_EIGHT_NEIGHBOURS: Final = np.ones((3, 3), dtype=bool)
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SmallStructures:
    """Numbers of connected regions, (k, bins of :data:`SIZES`) int64; those of several images add up.

    Attributes
    ----------
    regions : ndarray
        In the mask before the CRF.
    erased : ndarray
        Of those, the ones of which no pixel kept its class.
    true_regions : ndarray
        In the truth.
    found_before, found_after : ndarray
        Of those, the ones found before and after the CRF.
    """

    regions: Counts
    erased: Counts
    true_regions: Counts
    found_before: Counts
    found_after: Counts

    def __add__(self, other: SmallStructures) -> SmallStructures:
        return SmallStructures(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def small_structures(
    truth: npt.NDArray[np.uint8],
    before: LabelImage,
    after: LabelImage,
    k: int,
    ignore: Collection[int] = (),
) -> SmallStructures:
    """Count regions of one image.

    Parameters
    ----------
    truth : ndarray
        (h, w) uint8 as masks on disk hold it: value ``i`` is class ``i``.
    before, after : ndarray
        (h, w) uint8 labels of before and after the CRF: 0 unlabelled, ``i + 1`` class ``i``.
    k : int
        Number of classes.
    ignore : collection of int
        Values of ``truth`` that are left out. Regions of ``before`` there are counted all the same.
    """
    true = np.where(np.isin(truth, [*ignore, 255]), 0, truth + 1).astype(np.uint8)
    total = _regions(true, k)

    def found(mask: LabelImage) -> Counts:
        lost = compare_masks(true, mask, k + 1, min_area=SIZES[0], min_kept=FOUND, ignore=(0,)).erased
        return total - _binned(lost, k)

    erased = compare_masks(before, after, k + 1, min_area=SIZES[0], ignore=(0,)).erased
    return SmallStructures(
        regions=_regions(before, k),
        erased=_binned(erased, k),
        true_regions=total,
        found_before=found(before),
        found_after=found(after),
    )


def size_names() -> list[str]:
    """Of the bins, in pixels: ``16-255`` ... ``16384+``."""
    ends = [f"-{end - 1}" for end in SIZES[1:]] + ["+"]
    return [f"{start}{end}" for start, end in zip(SIZES, ends, strict=True)]


def _regions(labels: npt.NDArray[Any], k: int) -> Counts:
    counts = np.zeros((k, len(SIZES)), dtype=np.int64)
    for i in range(k):
        regions, n = ndimage.label(labels == i + 1, _EIGHT_NEIGHBOURS)
        counts[i] = _histogram(np.bincount(regions.ravel(), minlength=n + 1)[1:])
    return counts


def _binned(regions: Sequence[ErasedRegion], k: int) -> Counts:
    counts = np.zeros((k, len(SIZES)), dtype=np.int64)
    for i in range(k):
        counts[i] = _histogram(np.array([r.area for r in regions if r.label == i + 1], dtype=np.int64))
    return counts


def _histogram(areas: npt.NDArray[Any]) -> Counts:
    bins = np.searchsorted(SIZES, areas, side="right") - 1
    return np.bincount(bins[bins >= 0], minlength=len(SIZES)).astype(np.int64)
