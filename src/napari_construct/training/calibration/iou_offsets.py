"""Class offsets that maximise the mean intersection over union on masks.

The likelihood does not measure where borders lie. With masks the mean intersection over union itself can be
maximised. It is a step function of the offsets, but nearly smooth with thousands of cells; each offset is
searched on a grid (coordinate ascent). Afterwards the temperature is fitted again, so that probabilities stay
calibrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from napari_construct.metrics.segmentation import confusion_matrix, scores_from_confusion
from napari_construct.training.calibration.labelled_logits import LabelledLogits

GRID: Final = np.arange(-30, 31) / 10
"""Offsets that are tried, logits of the calibrated softmax."""

PULL: Final = 0.002
"""Mean IoU that an offset of one logit must gain: a few images should not move a balance that is right."""

SWEEPS: Final = 3


def iou_offsets(data: LabelledLogits, temperature: float) -> tuple[float, ...]:
    """Offsets (k,) that sum to zero, added to ``logits / temperature``.

    Parameters
    ----------
    data : LabelledLogits
        Cells of images with masks; all have equal weight.
    temperature : float
        Divides the logits.
    """
    k = data.n_classes
    if k < 2 or not len(data.cells):
        return ()

    def score(offsets: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        pull = PULL * float(np.abs(offsets - offsets.mean()).max())
        return _miou(data, temperature, offsets) - pull

    best = np.zeros(k)
    for _ in range(SWEEPS):
        before = best.copy()
        for c in range(k - (k == 2)):  # of two classes only the difference counts
            tried = np.repeat(best[None], len(GRID), axis=0)
            tried[:, c] = GRID
            scores = [score(offsets) for offsets in tried]
            if max(scores) > score(best):
                best = tried[int(np.argmax(scores))]
        if np.array_equal(best, before):
            break
    return tuple((best - best.mean()).tolist())


def right_probabilities(
    data: LabelledLogits, temperature: float, offsets: Sequence[float]
) -> tuple[float, tuple[float, ...]]:
    """Temperature and offsets with the same predicted classes and calibrated probabilities.

    Offsets that move borders leave probabilities too high or too low. Temperature and offsets are scaled
    together to maximise the likelihood of all cells, with equal weight.

    Parameters
    ----------
    data : LabelledLogits
        Cells of images with masks.
    temperature, offsets : float, sequence of float
        Temperature and offsets of :func:`iou_offsets`.
    """
    if len(np.unique(data.cell_classes)) < 2:
        return temperature, tuple(offsets)
    logits = data.cells / temperature + (np.asarray(offsets) if len(offsets) else 0.0)
    own = np.arange(len(logits)), data.cell_classes

    def loss(log_scale: float) -> float:
        return -float(log_softmax(logits * np.exp(log_scale), axis=1)[own].mean())

    low, high = np.log(temperature / np.array([1000.0, 0.05]))
    scale = float(np.exp(minimize_scalar(loss, bounds=(max(low, -3.0), min(high, 3.0)), method="bounded").x))
    return temperature / scale, tuple(scale * offset for offset in offsets)


def _miou(data: LabelledLogits, temperature: float, offsets: NDArray[np.float64]) -> float:
    found = (data.cells / np.float32(temperature) + offsets).argmax(1) + 1  # as label images count classes
    truth = data.cell_classes.astype(np.uint8)
    return float(scores_from_confusion(confusion_matrix(truth, found, data.n_classes))["miou"])
