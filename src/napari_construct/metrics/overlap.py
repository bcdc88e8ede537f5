"""Dice and IoU of a foreground, over all pixels and image by image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from napari_construct.exceptions import InputError
from napari_construct.metrics.ratio import ratio


class OverlapScores(TypedDict):
    """Fractions from 0 to 1; nan where there is foreground neither in truth nor in prediction."""

    dice: float
    iou: float
    dice_per_image: float
    iou_per_image: float


@dataclass(frozen=True, slots=True)
class OverlapCounts:
    """Pixels of foreground in both, in the truth, and in the prediction; counts of images add up.

    Attributes
    ----------
    both, truth, prediction : int
        Pixels.
    dice_sum, iou_sum : float
        Sums over the images that have foreground in truth or prediction.
    defined : int
        Number of those images.
    """

    both: int
    truth: int
    prediction: int
    dice_sum: float
    iou_sum: float
    defined: int

    def __add__(self, other: OverlapCounts) -> OverlapCounts:
        return OverlapCounts(
            self.both + other.both,
            self.truth + other.truth,
            self.prediction + other.prediction,
            self.dice_sum + other.dice_sum,
            self.iou_sum + other.iou_sum,
            self.defined + other.defined,
        )

    def scores(self) -> OverlapScores:
        """Dice and IoU of the summed pixels, and the means of the images' own.

        ::

            Dice = 2 both / (truth + prediction)    IoU = both / (truth + prediction - both)
        """
        total = self.truth + self.prediction
        above = np.array([2 * self.both, self.both, self.dice_sum, self.iou_sum])
        below = np.array([total, total - self.both, self.defined, self.defined])
        dice, iou, dice_per_image, iou_per_image = ratio(above, below).tolist()
        return OverlapScores(dice=dice, iou=iou, dice_per_image=dice_per_image, iou_per_image=iou_per_image)


def overlap_counts(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None
) -> OverlapCounts:
    """Count the pixels of one image.

    Parameters
    ----------
    truth, prediction : ndarray
        (h, w) masks or numbers of instances; above 0 is foreground.
    valid : ndarray, optional
        (h, w) bool: pixels that count; all by default.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if truth.shape != prediction.shape:
        raise InputError(
            f"expected truth and prediction of one shape, got {truth.shape} and {prediction.shape}; "
            "check that image and mask belong together"
        )
    t, p = truth > 0, prediction > 0
    if valid is not None:
        t, p = t & valid, p & valid
    both, n, m = int((t & p).sum()), int(t.sum()), int(p.sum())
    if not n + m:
        return OverlapCounts(0, 0, 0, 0.0, 0.0, 0)
    return OverlapCounts(both, n, m, 2 * both / (n + m), both / (n + m - both), 1)
