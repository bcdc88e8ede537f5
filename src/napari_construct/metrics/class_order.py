"""Whether validation masks number the classes in the model's order.

A mask holds indices without class names. If another order matches the predictions much better, the masks
probably use that order, and scores under the present order are meaningless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_construct.events import Doubt, Event
from napari_construct.metrics.first_class import other_first_class, reading_iou
from napari_construct.metrics.segmentation import Confusion

GAIN: Final = 0.2
"""Mean IoU that another order must add before anything is said."""

ALIKE: Final = 0.02
"""Part of the pixels by which two readings may differ and explain the masks alike."""

LEAST: Final = 0.5
"""Mean IoU that the other order must reach: a model that finds nothing should accuse nobody."""


class OtherOrder(NamedTuple):
    """An order of the classes in masks that fits much better.

    Attributes
    ----------
    order : tuple of int
        Class of each value, from that of the first class.
    present, other : float
        Mean IoU over the classes in the masks as they are read, and in the other order.
    """

    order: tuple[int, ...]
    present: float
    other: float


@dataclass(frozen=True, slots=True, eq=False)
class OrderDoubt(Event):
    """The masks fit much better in another order of the classes.

    Attributes
    ----------
    found : OtherOrder or None
        The order and what it scores.
    matrix : ndarray or None
        (k, k + 1) counts with predicted presence, as the masks were read.
    order : tuple of str
        The classes in the order of the masks' values, as they should be read.
    said : str
        The same as a sentence, without a remedy.
    """

    found: OtherOrder | None = None
    matrix: Confusion | None = None
    order: tuple[str, ...] = ()
    said: str = ""


def other_order(matrix: Confusion) -> OtherOrder | None:
    """Class of each mask value, if another order than the model's fits much better.

    Parameters
    ----------
    matrix : ndarray
        (k, k + 1) of :func:`~napari_construct.metrics.segmentation.confusion_matrix`.
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
    return OtherOrder(tuple(int(i) for i in classes), now, best)


def other_reading(
    values: Confusion, matrix: Confusion, first: Literal[0, 1], read: Sequence[int] | None = None
) -> tuple[str, OtherOrder | None]:
    """What fits much better: another first class (as a sentence), another order, or neither.

    Two classes in another order also fit with another first class, which merely leaves one of them out. Of
    both, the one that explains more pixels is said; where they hardly differ, the one that scores better.

    Parameters
    ----------
    values : ndarray
        (k + 1, k + 1) of :func:`~napari_construct.metrics.first_class.value_counts`.
    matrix : ndarray
        (k, k + 1) counts as the masks were read.
    first : {0, 1}
        Value of the first class as they were read.
    read : sequence of int, optional
        Class of each value as they were read; the model's order by default.
    """
    shifted, found = other_first_class(values, first), other_order(matrix)
    if not shifted or found is None:
        return shifted, found
    read = range(len(matrix)) if read is None else read
    by_order = _explained(values, [found.order[c] for c in read], first)
    by_first = _explained(values, range(len(matrix)), 1 - first)
    if abs(by_order - by_first) <= ALIKE * values.sum():
        orders = found.other > reading_iou(values, 1 - first)
    else:
        orders = by_order > by_first
    return ("", found) if orders else (shifted, None)


def _explained(values: Confusion, order: Sequence[int], first: int) -> float:
    """Pixels of the predicted class, or of none and left unlabelled."""
    classes = np.full(len(values), -1)  # the last column: unlabelled
    classes[first : first + len(order)] = order
    return float(values[np.arange(len(values)), classes].sum())


def reordered(matrix: Confusion, order: Sequence[int]) -> Confusion:
    """Counts as if the masks had been read in another order, without running the model again.

    Parameters
    ----------
    matrix : ndarray
        (k, k + 1) counts; row ``i`` holds the pixels that were read as class ``i``.
    order : sequence of int
        Class that they truly are.
    """
    turned = np.zeros_like(matrix)
    turned[list(order)] = matrix
    return turned


def in_words(order: Sequence[int], names: Sequence[str], first: int = 0) -> str:
    """The classes of the values, for people."""
    return ", ".join(f"{first + value} {names[number]}" for value, number in enumerate(order))


def order_notice(found: OtherOrder, names: Sequence[str], first: int = 0) -> str:
    """Notice for the user.

    Parameters
    ----------
    found : OtherOrder
        The order that fits better.
    names : sequence of str
        The classes of the model.
    first : int
        Value of the first class.
    """
    return Doubt(
        f"the masks score better in the order {in_words(found.order, names, first)}: "
        f"{100 * found.present:.0f} % -> {100 * found.other:.0f} % mIoU"
    )
