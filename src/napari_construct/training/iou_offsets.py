"""Class offsets for masks: the balance between classes at which their intersection over union is best.

The likelihood asks which probability is right and gives classes the same say; a mask asks where the border
should lie, and a class that is large loses little where a small one gains much. With masks at hand the
mean intersection over union itself can be climbed: it is a step function of the offsets, but with thousands
of cells a smooth one, and each offset in turn is searched on a grid (coordinate ascent).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.metrics.segmentation import confusion_matrix, scores_from_confusion
from napari_construct.training.labelled_logits import LabelledLogits

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
        Cells of images with masks; all cells count alike.
    temperature : float
        That the logits are divided by.
    """
    k = data.n_classes
    if k < 2 or not len(data.cells):
        return ()

    def score(offsets: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        pull = PULL * float(np.abs(offsets - offsets.mean()).max())
        return miou_of_cells(data, temperature, offsets) - pull

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


def miou_of_cells(
    data: LabelledLogits, temperature: float, offsets: Sequence[float] | NDArray[np.float64]
) -> float:
    """Mean intersection over union of the cells' classes, with ``offsets`` (k,) or none added."""
    logits = data.cells / np.float32(temperature)
    found = (logits + np.asarray(offsets) if len(offsets) else logits).argmax(1) + 1  # labels start at 1
    truth = data.cell_classes.astype(np.uint8)
    return float(scores_from_confusion(confusion_matrix(truth, found, data.n_classes))["miou"])
