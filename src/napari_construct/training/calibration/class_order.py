"""Whether validation masks number the classes in the model's order.

A mask holds indices without class names. If another order matches the predictions much better, the masks
probably use that order, and scores under the present order are meaningless.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_construct.events import Doubt

GAIN: Final = 0.2
"""Mean IoU that another order must add before anything is said."""

LEAST: Final = 0.5
"""Mean IoU that the other order must reach: a model that finds nothing should accuse nobody."""


def other_order(matrix: NDArray[np.int64]) -> tuple[int, ...] | None:
    """Class of each mask value, if another order than the model's fits much better.

    Parameters
    ----------
    matrix : ndarray
        (k, k + 1) of :func:`~napari_construct.metrics.segmentation.confusion_matrix`, all classes allowed.
    """
    k = len(matrix)
    counts = matrix[:, :k].astype(np.float64)
    union = matrix.sum(axis=1, dtype=np.float64)[:, None] + counts.sum(axis=0)[None] - counts
    iou = counts / np.maximum(union, 1)
    there = matrix.any(axis=1)
    if there.sum() < 2:
        return None
    values, classes = linear_sum_assignment(-iou)
    now, best = float(iou.diagonal()[there].mean()), float(iou[values, classes][there].mean())
    if best < LEAST or best - now < GAIN:
        return None
    return tuple(int(i) for i in classes)


def order_notice(order: Sequence[int], names: Sequence[str]) -> str:
    """Notice for the user."""
    read = ", ".join(f"{value} {names[number]}" for value, number in enumerate(order))
    return Doubt(
        f"the classes of the masks seem to be in a different order: {read}; scores were computed with "
        f"{', '.join(f'{i} {name}' for i, name in enumerate(names))}; if so, give the classes in the order "
        "of the mask values (--classes)"
    )
