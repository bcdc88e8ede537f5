"""Average precision of instances: cells found one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from napari_construct.exceptions import InputError
from napari_construct.metrics.ratio import known_mean, ratio

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.integer[Any]]

THRESHOLDS: Final = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
"""IoU 0.5, 0.55, ..., 0.95."""


class InstanceScores(TypedDict):
    """Fractions from 0 to 1, nan where there is no instance; one float per threshold in the lists."""

    mean_ap: float
    ap: list[float]
    precision: list[float]
    recall: list[float]
    f1: list[float]
    mean_ap_per_image: float
    ap_per_image: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class InstanceCounts:
    """Instances found, invented and missed at several thresholds; counts of images add up.

    Attributes
    ----------
    thresholds : tuple of float
        IoU from which a pair matches.
    true_positives, false_positives, false_negatives : ndarray
        (t,) int64.
    ap_sum : ndarray
        (t,) sum of AP over the images where it is defined.
    defined : int
        Number of those images.
    """

    thresholds: tuple[float, ...]
    true_positives: Counts
    false_positives: Counts
    false_negatives: Counts
    ap_sum: Floats
    defined: int

    def __add__(self, other: InstanceCounts) -> InstanceCounts:
        if self.thresholds != other.thresholds:
            raise InputError(
                f"expected counts at the same thresholds, got {self.thresholds} and {other.thresholds}; "
                "count both with the same"
            )
        return InstanceCounts(
            self.thresholds,
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
            self.ap_sum + other.ap_sum,
            self.defined + other.defined,
        )

    def scores(self) -> InstanceScores:
        """Average precision at every threshold, and what it is made of.

        ``AP(t) = TP / (TP + FP + FN)``, as StarDist and Cellpose define it (Schmidt et al. 2018; Stringer et
        al. 2021); no curve of confidences is averaged. ``ap`` pools the counts over images (StarDist's
        default), ``ap_per_image`` is the mean of the images' AP (Cellpose). Both means are over thresholds.
        """
        tp, fp, fn = self.true_positives, self.false_positives, self.false_negatives
        ap = ratio(tp, tp + fp + fn)
        per_image = ratio(self.ap_sum, np.full(len(tp), self.defined))
        return InstanceScores(
            mean_ap=float(known_mean(ap, 0)),
            ap=ap.tolist(),
            precision=ratio(tp, tp + fp).tolist(),
            recall=ratio(tp, tp + fn).tolist(),
            f1=ratio(2 * tp, 2 * tp + fp + fn).tolist(),
            mean_ap_per_image=float(known_mean(per_image, 0)),
            ap_per_image=per_image.tolist(),
        )


def instance_iou(truth: Labels, prediction: Labels) -> csr_array:
    """IoU of every pair of instances that share pixels.

    Parameters
    ----------
    truth, prediction : ndarray
        (h, w) integers >= 0: 0 is background, every instance has a number of its own; gaps are fine.

    Returns
    -------
    csr_array
        (n, m) float64 for n true and m predicted instances, in the order of their numbers.

    Raises
    ------
    InputError
        If the shapes differ or a number is negative.
    """
    if truth.shape != prediction.shape:
        raise InputError(
            f"expected truth and prediction of one shape, got {truth.shape} and {prediction.shape}; "
            "check that image and mask belong together"
        )
    rows, areas = _numbered(truth, "truth")
    columns, predicted_areas = _numbered(prediction, "prediction")
    n, m = len(areas), len(predicted_areas)
    pairs, shared = np.unique(rows * (m + 1) + columns, return_counts=True)
    i, j = np.divmod(pairs, m + 1)
    inside = (i > 0) & (j > 0)
    i, j, shared = i[inside] - 1, j[inside] - 1, shared[inside]
    iou = shared / (areas[i] + predicted_areas[j] - shared)
    return csr_array(coo_array((iou, (i, j)), shape=(n, m)))


def _numbered(labels: Labels, what: str) -> tuple[Counts, Counts]:
    """Flat numbers 0 to n without gaps, and the areas of 1 to n."""
    if labels.size and int(labels.min()) < 0:
        raise InputError(
            f"expected numbers of at least 0 in {what}, got {int(labels.min())}; 0 is background"
        )
    there, numbers, areas = np.unique(labels, return_inverse=True, return_counts=True)
    numbers = numbers.reshape(-1).astype(np.int64)
    if there.size and there[0] == 0:
        return numbers, areas[1:]
    return numbers + 1, areas


def instance_counts(
    truth: Labels, prediction: Labels, thresholds: Sequence[float] = THRESHOLDS
) -> InstanceCounts:
    """Match predicted to true instances of one image and count.

    A pair may match if its IoU reaches the threshold. Above 0.5 an instance has at most one partner. At and
    below, true positives are the largest number of pairs in which no instance is used twice (maximum
    bipartite matching, Hopcroft and Karp 1973), which is what the assignment of StarDist and Cellpose counts.

    Parameters
    ----------
    truth, prediction : ndarray
        (h, w) integers >= 0, see :func:`instance_iou`.
    thresholds : sequence of float
        IoU in (0, 1].
    """
    if not all(0 < t <= 1 for t in thresholds):
        raise InputError(f"expected thresholds above 0 and at most 1, got {tuple(thresholds)}; use 0.5")
    iou = instance_iou(truth, prediction)
    n, m = iou.shape
    tp = np.array([_matched(iou, t) for t in thresholds], dtype=np.int64)
    defined = int(n + m > 0)
    return InstanceCounts(
        tuple(thresholds), tp, m - tp, n - tp,
        np.nan_to_num(ratio(tp, n + m - tp)), defined,
    )  # fmt: skip


def _matched(iou: csr_array, threshold: float) -> int:
    if threshold > 0.5:
        return int((iou.data >= threshold).sum())
    pairs = iou.tocoo()
    enough = pairs.data >= threshold
    if not enough.any():
        return 0
    i, j = pairs.coords
    graph = csr_array((np.ones(int(enough.sum()), np.int8), (i[enough], j[enough])), shape=iou.shape)
    return int((maximum_bipartite_matching(graph) >= 0).sum())
