"""Whether validation masks number the classes in the model's order.

A mask holds indices without class names. If another order matches the predictions much better, the masks
probably use that order, and scores under the present order are meaningless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_construct.events import Event
from napari_construct.metrics.segmentation import Confusion

GAIN: Final = 0.2
"""Mean IoU that another order must add before anything is said."""

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
    return (
        f"the masks score better in the order {in_words(found.order, names, first)}: "
        f"{100 * found.present:.0f} % -> {100 * found.other:.0f} % mIoU"
    )
