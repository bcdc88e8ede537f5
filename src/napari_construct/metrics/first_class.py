"""Whether masks would fit a prediction far better if their values were read in the other convention.

Read wrongly, every class is scored as its neighbour: scores near zero that say nothing about the model.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from napari_construct.events import Doubt
from napari_construct.metrics.segmentation import scores_from_confusion

GAIN: Final = 0.2
"""Mean IoU that the other reading must add before anything is said."""

LEAST: Final = 0.5
"""Mean IoU that the other reading must reach: a model that finds nothing should accuse nobody."""


def value_counts(
    mask: NDArray[Any], prediction: NDArray[Any], k: int, scored: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Pixels by value of the mask file and predicted class.

    Parameters
    ----------
    mask : ndarray
        (h, w) integers: values as stored.
    prediction : ndarray
        (h, w) integers: 0 is unlabelled, ``i + 1`` is class ``i``.
    k : int
        Number of classes.
    scored : ndarray
        (h, w) bool: not ignored.

    Returns
    -------
    ndarray
        (k + 1, k + 1): values 0 to k; classes, and unlabelled last.
    """
    kept = scored & (mask >= 0) & (mask <= k)
    columns = (prediction[kept].astype(np.int64) - 1) % (k + 1)  # unlabelled comes last
    counts = np.bincount(mask[kept].astype(np.int64) * (k + 1) + columns, minlength=(k + 1) ** 2)
    return counts.reshape(k + 1, k + 1).astype(np.int64)


def other_first_class(counts: NDArray[np.int64], first_class: Literal[0, 1]) -> str:
    """A sentence for the user if the other reading fits far better; else nothing."""
    present, other = (reading_iou(counts, first) for first in (first_class, 1 - first_class))
    if other < LEAST or other - present < GAIN:
        return ""
    zero = ", 0 unlabelled," if first_class == 0 else ""
    return Doubt(
        f"the masks seem to be read wrongly: with {first_class} as the first class they score "
        f"{100 * present:.1f} % mean IoU, with {1 - first_class} as the first class{zero} "
        f"{100 * other:.1f} %; if so, set the first class to {1 - first_class} "
        f"(--first-class {1 - first_class})"
    )


def zero_is_unlabelled(counts: NDArray[np.int64]) -> str:
    """Why masks that were read with 0 as the first class mean 0 as unlabelled; empty where it is not sure.

    The other reading must fit far better (:func:`other_first_class`), and where a mask holds a 0 the model
    must mostly have left the pixel unlabelled as well. Otherwise the model may have its classes in another
    order.
    """
    zeros = counts[0]
    if not other_first_class(counts, 0) or 2 * zeros[-1] < zeros.sum():
        return ""
    zero, one = (100 * reading_iou(counts, first) for first in (0, 1))
    return (
        f"{one:.1f} % mean IoU, and {zero:.1f} % with 0 as the first class; if 0 is, set the first class to "
        "0 (--first-class 0)"
    )


def reading_iou(counts: NDArray[np.int64], first: int) -> float:
    """Over the classes that are in the masks; 0 without any."""
    k = len(counts) - 1
    matrix = counts[first : first + k]
    there = matrix.any(axis=1)
    if not there.any():
        return 0.0
    return float(np.array(scores_from_confusion(matrix)["iou"])[there].mean())
