"""Temperature, class offsets and presence thresholds from labelled logits.

**Temperature and offsets.** The softmax over classes with ``logits / T + o`` is fitted by likelihood
(temperature and vector scaling: Guo et al. 2017) to cells whose class is known. Classes have equal weight,
within a class its slides, within a slide its patches. Offsets are fitted on held-out patches only: the
network favours a wrong class on new slides only.

**Thresholds.** Few patches leave the best threshold open within a wide gap, and one mislabelled patch
moves it far. So it is chosen in two steps: a logistic curve through all scores (Platt 1999, with his
softened targets) crosses one half at some point; of all thresholds whose F1 is within one standard
error of the best, the one nearest to that point is taken.

Both fits have a weak prior - T near 1, offsets and thresholds near 0 in logits, where the network's own
loss put them - that decides while patches are few. Training patches say less about new ones: each has the
weight ``SEEN``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from napari_construct.models.network.calibration import BackgroundRule, Calibration
from napari_construct.training.calibration.labelled_logits import LabelledLogits

BOUNDS: Final = (0.05, 50.0)
"""Range of temperatures."""

FARTHEST: Final = 10.0
"""Largest class offset."""

SEEN: Final = 0.2
"""Weight of a patch that the network was fitted on."""

STEEPNESS: Final = 3.0
"""Expected slope of the logistic curve, for logits in units of their root mean square."""

Floats = NDArray[np.float64]


def fit_calibration(
    data: LabelledLogits,
    *,
    held_out: bool = True,
    offsets: bool = False,
    background: BackgroundRule | None = None,
) -> Calibration:
    """Calibration from labelled logits.

    Parameters
    ----------
    data : LabelledLogits
        Logits of validation patches, of cross-validated patches, or of training patches.
    held_out : bool
        Whether the network was not trained on them.
    offsets : bool
        Whether class offsets are fitted, too; for held-out data only.
    background : BackgroundRule, optional
        Background rule to keep.
    """
    weight = 1.0 if held_out else SEEN
    temperature, shifts = fit_softmax(data, offsets=offsets and held_out, weight=weight)
    return Calibration(
        temperature=temperature,
        class_offsets=shifts,
        presence_thresholds=tuple(
            presence_threshold(data.pooled[:, i], data.labels[:, i], weight=weight)
            for i in range(data.n_classes)
        ),
        background=background or BackgroundRule(),
    )


def fit_softmax(
    data: LabelledLogits, *, offsets: bool = False, weight: float = 1.0
) -> tuple[float, tuple[float, ...]]:
    """Temperature, and class offsets that sum to zero (empty without ``offsets``).

    With cells of fewer than two classes, the temperature is fitted to the sigmoid of the pooled logits,
    without offsets.

    Parameters
    ----------
    data : LabelledLogits
        The truth.
    offsets : bool
        Fit offsets, too.
    weight : float
        Weight of a patch relative to the prior.
    """
    if len(np.unique(data.cell_classes)) < 2:
        return _sigmoid_temperature(data.pooled, data.labels, weight), ()
    share = _cell_weights(data)
    strength = weight * len(np.unique(data.cell_owners))
    logits, k = data.cells.astype(np.float64), data.n_classes
    truth = np.eye(k)[data.cell_classes]

    def loss(p: Floats) -> tuple[float, Floats]:
        scaled = logits / math.exp(p[0])
        logp = log_softmax(scaled + p[1:], axis=1)
        error = (np.exp(logp) - truth) * share[:, None]
        value = -float((share[:, None] * truth * logp).sum())
        slope = np.concatenate([[-(error * scaled).sum()], error.sum(0)])
        return strength * value + float(p @ p) / 2, strength * slope + p

    room = FARTHEST if offsets else 0.0
    found = _minimise(loss, np.zeros(k + 1), [_log_bounds(), *([(-room, room)] * k)])
    return math.exp(found[0]), tuple((found[1:] - found[1:].mean()).tolist()) if offsets else ()


def presence_threshold(logits: Floats, labels: NDArray[np.uint8], *, weight: float = 1.0) -> float:
    """Image-level probability from which a class is present; 0.5 if all labels are equal.

    Parameters
    ----------
    logits : ndarray
        (n,) pooled logits.
    labels : ndarray
        (n,) 1 where the class occurs.
    weight : float
        What a patch counts against the prior.
    """
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        return 0.5
    point = logistic_crossing(logits, labels, weight=weight)
    lower, upper, f1, accepted = _intervals(logits, labels)
    best = int(f1.argmax())
    count = weight * (positives + accepted[best]) / 2
    softened = (count * f1[best] + 1) / (count + 2)
    close = f1 >= f1[best] - math.sqrt(softened * (1 - softened) / count)
    margin = (upper - lower) / 4  # a threshold should not touch the score of a patch
    nearest = np.clip(point, lower + margin, upper - margin)[close]
    return float(expit(nearest[np.abs(nearest - point).argmin()]))


def logistic_crossing(logits: Floats, labels: NDArray[np.uint8], *, weight: float = 1.0) -> float:
    """Logit at which the logistic curve through the scores is one half; both labels have equal weight."""
    positive = labels > 0
    n, m = int(positive.sum()), int((~positive).sum())
    scale = float(np.sqrt(np.mean(logits**2))) or 1.0
    x = logits / scale
    target = np.where(positive, (n + 1) / (n + 2), 1 / (m + 2))
    share = np.where(positive, 0.5 / n, 0.5 / m)
    strength = weight * 4 * n * m / (n + m)

    def loss(p: Floats) -> tuple[float, Floats]:
        slope, middle = math.exp(p[0]), p[1]
        z = slope * (x - middle)
        value = float((share * (np.logaddexp(0, z) - target * z)).sum())
        error = share * (expit(z) - target)
        prior = (p[0] - math.log(STEEPNESS)) ** 2 / 2 + 2 * middle**2  # standard deviations 1 and 1/2
        gradient = np.array([float((error * z).sum()), float(-slope * error.sum())])
        return strength * value + prior, strength * gradient + np.array(
            [p[0] - math.log(STEEPNESS), 4 * middle]
        )

    found = _minimise(loss, np.array([math.log(STEEPNESS), 0.0]), [(-5.0, 5.0), (-5.0, 5.0)])
    return float(found[1]) * scale


def macro_f1(
    probabilities: NDArray[np.float64], labels: NDArray[np.uint8], thresholds: Sequence[float]
) -> float:
    """Mean over classes of the F1 of presence."""
    predicted = probabilities >= np.asarray(thresholds)
    hit = (predicted & (labels > 0)).sum(0)
    total = predicted.sum(0) + (labels > 0).sum(0)
    return float(np.mean(np.where(total > 0, 2 * hit / np.maximum(total, 1), 1.0)))


def cross_fitted_f1(data: LabelledLogits) -> float:
    """Macro F1, each half of the patches with thresholds fitted on the other half.

    Halves are groups where owners are patches and have groups, every second patch otherwise.
    """
    groups = data.owners if len(data.owners) == len(data.pooled) else np.arange(len(data.pooled))
    first = groups % 2 == 0
    probabilities = expit(data.pooled)
    predicted = np.zeros(data.labels.shape)
    for judged in (first, ~first):
        for i in range(data.n_classes):
            limit = presence_threshold(data.pooled[~judged, i], data.labels[~judged, i])
            predicted[judged, i] = probabilities[judged, i] >= limit
    return macro_f1(predicted, data.labels, (0.5,) * data.n_classes)


def _cell_weights(data: LabelledLogits) -> Floats:
    """Weights that sum to one: equal for classes, within a class for groups, within a group for patches."""
    owner, group = data.cell_owners, data.owners[data.cell_owners]
    share = np.ones(len(owner))
    levels = ((data.cell_classes, group, owner), (data.cell_classes, group), (data.cell_classes,))
    for level in levels:
        _, of_cell = np.unique(np.stack(level), axis=1, return_inverse=True)
        share /= np.bincount(of_cell.ravel(), weights=share)[of_cell.ravel()]
    total: Floats = share / share.sum()
    return total


def _sigmoid_temperature(pooled: Floats, labels: NDArray[np.uint8], weight: float) -> float:
    positives = labels.sum(0, dtype=np.int64)
    negatives = len(labels) - positives
    target = np.where(labels > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    strength = weight * len(labels)

    def loss(p: Floats) -> tuple[float, Floats]:
        z = pooled / math.exp(p[0])
        value = float((np.logaddexp(0, z) - target * z).mean())
        slope = -float(((expit(z) - target) * z).mean())
        return strength * value + float(p @ p) / 2, np.array([strength * slope]) + p

    return math.exp(_minimise(loss, np.zeros(1), [_log_bounds()])[0])


def _intervals(logits: Floats, labels: NDArray[np.uint8]) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Ranges of thresholds with one F1 each: lower end, upper end, F1, number of accepted patches."""
    upper, first = np.unique(logits, return_inverse=True)
    count = np.bincount(first.ravel(), minlength=len(upper))
    hits = np.bincount(first.ravel(), weights=labels.astype(np.float64), minlength=len(upper))
    accepted, hit = count[::-1].cumsum()[::-1], hits[::-1].cumsum()[::-1]
    f1 = 2 * hit / (accepted + labels.sum())
    lower = np.append(2 * min(upper[0], 0.0) - 1, upper[:-1])  # below all scores: far enough
    return lower, upper, f1, accepted


def _minimise(loss: Any, start: Floats, bounds: Sequence[tuple[float, float]]) -> Floats:
    found: Floats = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return found


def _log_bounds() -> tuple[float, float]:
    return math.log(BOUNDS[0]), math.log(BOUNDS[1])
