"""Whether probabilities mean what they say: reliability and expected calibration error.

Predictions are sorted into bins by their confidence. In a calibrated model, 80 % of those made with
confidence 0.8 are right. The expected calibration error is the mean distance from that, weighted by
how many predictions fall into each bin (Guo et al., On Calibration of Modern Neural Networks, ICML
2017, equation 3)::

    ECE = sum_m |B_m| / n * |accuracy(B_m) - confidence(B_m)|

with M equal bins ``((m - 1) / M, m / M]``. *Top-label* ECE looks at the most probable class of each
pixel only. *Class-wise* ECE looks at each class's own probability, whether it won or not (Kull et al.,
NeurIPS 2019). Only histograms are kept, so that images of any number and size take a few kilobytes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_construct.exceptions import InputError
from napari_construct.metrics.ratio import ratio

BINS: Final = 15


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Histograms over confidence; row 0 is the top label, row ``i + 1`` class ``i``. They add up.

    Attributes
    ----------
    count : ndarray
        (k + 1, bins) int64 predictions.
    correct : ndarray
        (k + 1, bins) int64 correct predictions.
    confidence : ndarray
        (k + 1, bins) float64 sums of confidence.
    without_probability : int
        Scored pixels at which no class has a probability (glass).
    """

    count: npt.NDArray[np.int64]
    correct: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    without_probability: int = 0

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.count + other.count,
            self.correct + other.correct,
            self.confidence + other.confidence,
            self.without_probability + other.without_probability,
        )

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """(k + 1, bins) share that is true, nan in empty bins."""
        return ratio(self.correct, self.count)

    @property
    def mean_confidence(self) -> npt.NDArray[np.float64]:
        """(k + 1, bins), nan in empty bins."""
        return ratio(self.confidence, self.count)

    @property
    def errors(self) -> npt.NDArray[np.float64]:
        """(k + 1,) expected calibration errors, nan without any prediction: top label, then the classes."""
        return ratio(np.abs(self.correct - self.confidence).sum(axis=1), self.count.sum(axis=1))


def reliability(
    probabilities: npt.NDArray[np.floating[Any]],
    truth: npt.NDArray[Any],
    ignore: Collection[int] = (),
    *,
    bins: int = BINS,
) -> Reliability:
    """Histograms of one image.

    Parameters
    ----------
    probabilities : ndarray
        (k, h, w), 0 to 1. Pixels where all are 0 enter ``without_probability`` only.
    truth : ndarray
        (h, w) integers; value ``i`` is class ``i``.
    ignore : collection of int
        Values of ``truth`` that are left out.
    bins : int
        Number M of equal bins.
    """
    k = probabilities.shape[0]
    if probabilities.shape[1:] != truth.shape:
        raise InputError(
            f"expected probabilities of shape (k, {', '.join(map(str, truth.shape))}) like the truth, got "
            f"{probabilities.shape}; check that they belong together"
        )
    scored = ~np.isin(truth, list(ignore))
    winner, top = probabilities.argmax(axis=0), probabilities.max(axis=0)
    used = scored & (top > 0)
    true = truth[used]
    rows = [_row(top[used], winner[used] == true, bins)]
    rows += [_row(probabilities[i][used], true == i, bins) for i in range(k)]
    count, right, confidence = (np.stack(part) for part in zip(*rows, strict=True))
    return Reliability(count, right, confidence, without_probability=int(scored.sum() - used.sum()))


def _row(
    confidence: npt.NDArray[Any], right: npt.NDArray[np.bool_], bins: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Count, true ones and sum of confidence per bin."""
    where = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    total = np.bincount(where, weights=confidence, minlength=bins).astype(np.float64)
    return _counted(where, bins), _counted(where[right], bins), total


def _counted(where: npt.NDArray[np.int64], bins: int) -> npt.NDArray[np.int64]:
    return np.bincount(where, minlength=bins).astype(np.int64)
