"""Boundary F1: whether contours lie where they should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_construct.exceptions import InputError
from napari_construct.metrics.ratio import ratio


class BoundaryScores(TypedDict):
    """Fractions from 0 to 1; nan where there is no contour."""

    f1: float
    precision: float
    recall: float
    f1_per_image: float


@dataclass(frozen=True, slots=True)
class BoundaryCounts:
    """Contour pixels of truth and prediction, and how many lie close to the other; counts add up.

    Attributes
    ----------
    predicted, predicted_close : int
        Contour pixels of the prediction; those within the tolerance of the true contour.
    true, true_close : int
        Contour pixels of the truth; those within the tolerance of the predicted contour.
    f1_sum : float
        Sum of F1 over the images that have a contour in truth or prediction.
    defined : int
        Number of those images.
    """

    predicted: int
    predicted_close: int
    true: int
    true_close: int
    f1_sum: float
    defined: int

    def __add__(self, other: BoundaryCounts) -> BoundaryCounts:
        return BoundaryCounts(
            self.predicted + other.predicted,
            self.predicted_close + other.predicted_close,
            self.true + other.true,
            self.true_close + other.true_close,
            self.f1_sum + other.f1_sum,
            self.defined + other.defined,
        )

    def scores(self) -> BoundaryScores:
        """Precision: share of the predicted contour close to the true one. Recall: the other way. F1 of both.

        ``f1`` is of the summed pixels, ``f1_per_image`` the mean of the images' own (BFScore; Csurka et al.
        2013). A contour in one of the two only has an F1 of 0.
        """
        above = np.array([self.predicted_close, self.true_close, self.f1_sum])
        precision, recall, per_image = ratio(
            above, np.array([self.predicted, self.true, self.defined])
        ).tolist()
        f1 = _f1(self.predicted, self.predicted_close, self.true, self.true_close)
        return BoundaryScores(f1=f1, precision=precision, recall=recall, f1_per_image=per_image)


def _f1(predicted: int, predicted_close: int, true: int, true_close: int) -> float:
    if not predicted + true:
        return float("nan")
    if not predicted_close or not true_close:
        return 0.0
    precision, recall = predicted_close / predicted, true_close / true
    return 2 * precision * recall / (precision + recall)


def boundary_counts(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], tolerance: float = 2.0
) -> BoundaryCounts:
    """Compare the contours of one image.

    Contour pixels are those of a mask or an instance with one of four neighbours outside of it; the edge of
    the image is none. Give masks for the contour of the foreground, numbers for those of cells.

    Parameters
    ----------
    truth, prediction : ndarray
        (h, w) bool or integers; 0 is background.
    tolerance : float
        Largest Euclidean distance in pixels at which contours agree; 0 asks for the same pixel.

    Raises
    ------
    InputError
        If the shapes differ or the tolerance is negative.
    """
    if truth.shape != prediction.shape:
        raise InputError(
            f"expected truth and prediction of one shape, got {truth.shape} and {prediction.shape}; "
            "check that image and mask belong together"
        )
    if not tolerance >= 0:
        raise InputError(f"expected a tolerance of at least 0 pixels, got {tolerance}; use 2")
    t, p = _contour(truth), _contour(prediction)
    counts = int(p.sum()), _close(p, t, tolerance), int(t.sum()), _close(t, p, tolerance)
    if not counts[0] + counts[2]:
        return BoundaryCounts(*counts, 0.0, 0)
    return BoundaryCounts(*counts, _f1(*counts), 1)


def _contour(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = find_boundaries(labels, connectivity=1, mode="inner")  # type: ignore[no-untyped-call]
    return found


def _close(these: npt.NDArray[np.bool_], others: npt.NDArray[np.bool_], tolerance: float) -> int:
    """How many of these pixels have one of the others within the tolerance."""
    if not others.any():
        return 0
    return int((ndimage.distance_transform_edt(~others)[these] <= tolerance).sum())
