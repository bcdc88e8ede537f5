"""Scores of segmented cells: foreground, contours and instances of many images together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

from napari_construct.metrics.boundary_f1 import BoundaryCounts, boundary_counts
from napari_construct.metrics.instances import THRESHOLDS, InstanceCounts, instance_counts
from napari_construct.metrics.overlap import OverlapCounts, overlap_counts

TOLERANCE: Final = 2.0
"""Pixels within which contours agree."""

SCORES: Final = ("dice", "iou", "boundary_f1", "ap50", "ap")
"""Names of the scores."""


@dataclass(frozen=True, slots=True)
class CellCounts:
    """Counts of images, which add up.

    Attributes
    ----------
    overlap : OverlapCounts
        Pixels of foreground.
    boundary : BoundaryCounts
        Pixels of the cells' contours.
    instances : InstanceCounts
        Cells found, invented and missed.
    """

    overlap: OverlapCounts
    boundary: BoundaryCounts
    instances: InstanceCounts

    def __add__(self, other: CellCounts) -> CellCounts:
        return CellCounts(
            self.overlap + other.overlap, self.boundary + other.boundary, self.instances + other.instances
        )

    def scores(self) -> dict[str, float]:
        """``dice`` and ``iou`` of the foreground, ``boundary_f1`` of contours, ``ap50`` and ``ap`` of cells.

        Pixels and cells are summed over images before they are divided; ``ap`` is the mean over thresholds of
        the IoU, 0.5 to 0.95.
        """
        overlap, instances = self.overlap.scores(), self.instances.scores()
        found = (
            overlap["dice"],
            overlap["iou"],
            self.boundary.scores()["f1"],
            instances["ap"][THRESHOLDS.index(0.5)],
            instances["mean_ap"],
        )
        return dict(zip(SCORES, found, strict=True))


def cell_counts(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], tolerance: float = TOLERANCE
) -> CellCounts:
    """Compare the cells of one image.

    Parameters
    ----------
    truth, prediction : ndarray
        (h, w) integers: 0 is background, every cell has a number of its own.
    tolerance : float
        Pixels within which contours agree.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    return CellCounts(
        overlap_counts(truth, prediction),
        boundary_counts(truth, prediction, tolerance),
        instance_counts(truth, prediction),
    )
