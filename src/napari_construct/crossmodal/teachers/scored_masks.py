"""Masks with scores, as promptable networks give them, made into one foreground and instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_construct.crossmodal.protocol import TeacherOutput
from napari_construct.crossmodal.teachers.from_instances import output_of
from napari_construct.types import BoolMask, ShortRepr


@dataclass(frozen=True, slots=True, repr=False)
class ScoredMask(ShortRepr):
    """One mask, cut to its bounding box.

    Attributes
    ----------
    row, column : int
        Of the box's first pixel in the image.
    inside : ndarray
        (h, w) bool of the box.
    score : float
        In [0, 1]: how sure the network is of the mask.
    """

    row: int
    column: int
    inside: BoolMask
    score: float

    @property
    def box(self) -> tuple[slice, slice]:
        """Its place in the image."""
        height, width = self.inside.shape
        return slice(self.row, self.row + height), slice(self.column, self.column + width)

    @property
    def area(self) -> int:
        """Pixels."""
        return int(self.inside.sum())


def cut_out(mask: BoolMask, score: float) -> ScoredMask | None:
    """A mask of the whole image cut to its bounding box; None where it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    row, column = int(rows[0]), int(columns[0])
    inside = mask[row : int(rows[-1]) + 1, column : int(columns[-1]) + 1].copy()
    return ScoredMask(row, column, inside, float(min(max(score, 0.0), 1.0)))


def merged(
    masks: Sequence[ScoredMask], shape: tuple[int, int], *, overlap: float, smallest: int, largest: float
) -> TeacherOutput:
    """Foreground and instances of masks that may overlap.

    Greedy non-maximum suppression: the best mask first; a mask is dropped that shares more than ``overlap``
    of the smaller of both areas with a kept one (a nucleus in a cell that is kept already, or a second mask
    of one cell). Pixels that two kept masks share belong to the better one. The foreground of a pixel is the
    highest score of the kept masks over it. Ours, after the suppression of boxes in Kirillov et al. 2023,
    section 5, with masks in place of boxes.

    Parameters
    ----------
    masks : sequence of ScoredMask
        In any order.
    shape : tuple of int
        (h, w) of the image.
    overlap : float
        In (0, 1].
    smallest : int
        Masks of fewer pixels are dropped.
    largest : float
        Masks that take more than this share of the image are dropped: the background is one of them.
    """
    foreground, instances = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    areas = [0]  # of the kept masks by number, whole
    for mask in sorted(masks, key=lambda found: -found.score):
        area = mask.area
        if area < smallest or area > largest * shape[0] * shape[1]:
            continue
        there, shown = instances[mask.box], foreground[mask.box]
        shared = np.bincount(there[mask.inside], minlength=len(areas))
        least = np.minimum(area, areas)
        if bool((shared[1:] > overlap * least[1:]).any()):
            continue
        free = mask.inside & (there == 0)
        if free.sum() < smallest:
            continue
        there[free] = len(areas)
        areas.append(area)
        shown[mask.inside] = np.maximum(shown[mask.inside], np.float32(mask.score))
    return output_of(instances, foreground)
