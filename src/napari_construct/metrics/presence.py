"""Whether the right classes were found in an image: precision, recall and F1 of presence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from napari_construct.exceptions import InputError
from napari_construct.metrics.ratio import ratio

Counts = npt.NDArray[np.int64]


class PresenceScores(TypedDict):
    """Fractions from 0 to 1, nan where undefined; ``macro_f1`` is the mean of the defined F1."""

    macro_f1: float
    precision: list[float]
    recall: list[float]
    f1: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class PresenceCounts:
    """Images per class in which its presence was decided rightly or wrongly; counts add up.

    Attributes
    ----------
    true_positives, false_positives, false_negatives : ndarray
        (k,) int64.
    n : int
        Images.
    """

    true_positives: Counts
    false_positives: Counts
    false_negatives: Counts
    n: int

    def __add__(self, other: PresenceCounts) -> PresenceCounts:
        return PresenceCounts(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
            self.n + other.n,
        )

    def scores(self) -> PresenceScores:
        """Precision ``tp / (tp + fp)``, recall ``tp / (tp + fn)``, F1 their harmonic mean.

        Precision of a class that was never found is nan. So are the recall of a class that is never there,
        and F1 where both hold. The macro F1 is the mean over the classes whose F1 is defined.
        """
        tp, fp, fn = self.true_positives, self.false_positives, self.false_negatives
        f1 = ratio(2 * tp, 2 * tp + fp + fn)
        known = f1[~np.isnan(f1)]
        return PresenceScores(
            macro_f1=float(known.mean()) if known.size else float("nan"),
            precision=ratio(tp, tp + fp).tolist(),
            recall=ratio(tp, tp + fn).tolist(),
            f1=f1.tolist(),
        )


def presence_counts(truth: npt.ArrayLike, predicted: npt.ArrayLike, k: int) -> PresenceCounts:
    """Count decisions about presence.

    Parameters
    ----------
    truth, predicted : array_like
        (n, k) of bool or 0 and 1; n may be 0.
    k : int
        Number of classes.
    """
    there, found = (np.asarray(a, dtype=bool).reshape(-1, k) for a in (truth, predicted))
    if there.shape != found.shape:
        raise InputError(
            f"expected truth and prediction of one shape, got {there.shape} and {found.shape}; "
            "give one row per image to both"
        )
    return PresenceCounts(
        true_positives=(there & found).sum(axis=0),
        false_positives=(~there & found).sum(axis=0),
        false_negatives=(there & ~found).sum(axis=0),
        n=len(there),
    )


def classes_in_mask(
    mask: npt.NDArray[Any], k: int, fraction: float, ignore: Collection[int] = ()
) -> npt.NDArray[np.bool_]:
    """(k,) bool: the classes that cover at least ``fraction`` of the pixels which are not ignored.

    With ``fraction`` 0, the classes with at least one pixel.
    """
    counts = np.bincount(mask.ravel(), minlength=256)
    counts[[value for value in ignore if 0 <= value < 256]] = 0
    there: npt.NDArray[np.bool_] = (counts[:k] > 0) & (counts[:k] >= fraction * counts.sum())
    return there
