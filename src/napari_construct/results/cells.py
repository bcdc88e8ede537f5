"""Results of a segmentation of cells: every cell has a number, beside the mask of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.results.result import SegmentationResult
from napari_construct.types import FloatArray

CELL: Final = ClassTable(
    classes=(TissueClass(name="cell", prompt="A cell with its whole body.", colour="#009E73"),)
)
"""The one class of these results."""


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class CellResult(SegmentationResult):
    """Cells of one channel; all arrays have the image's h and w.

    Attributes
    ----------
    instances : ndarray
        (h, w) int32: 0 is background, cells have the numbers 1 to n.
    boundary : ndarray
        (h, w) float32 in [0, 1]: probability that a pixel lies on the border of a cell.
    labels : ndarray
        (h, w) uint8: 1 where there is a cell.
    probabilities, cams : ndarray
        (1, h, w) float32 in [0, 1]: probability of the foreground.
    confidence : ndarray
        (h, w) float32 in [0, 1]: probability of what ``labels`` says.
    background : ndarray
        (h, w) bool: where there is no cell.
    classes, presence, presence_scores, mpp, record
        As of :class:`~napari_construct.results.segmentation.Segmentation`; the one class is "cell".
    """

    boundary: FloatArray

    @property
    def tissue_pixels(self) -> int:
        """All pixels: shares of area are shares of the image."""
        return int(self.labels.size)
