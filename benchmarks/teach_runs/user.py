"""A person who paints, from a mask: strokes that wander within tissue of one class, and corrections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

WIDTH: Final = 5
"""Pixels across a stroke."""

LENGTH: Final = (30, 80)
"""Pixels along a stroke, from least to most; it ends earlier at a border."""

_TURN: Final = 0.15
"""Standard deviation of the change of direction, per pixel, in radians."""


def paint(
    mask: NDArray[np.uint8],
    classes: int,
    strokes: int,
    random: np.random.Generator,
    *,
    width: int = WIDTH,
    length: Sequence[int] = LENGTH,
) -> NDArray[np.uint8]:
    """Strokes of every class in its areas, larger areas more often (by the root of their size).

    Parameters
    ----------
    mask : ndarray
        (h, w) true class of each pixel, from 0; values from ``classes`` on are not painted.
    classes, strokes : int
        Number of classes, and of strokes for each.
    random : Generator
        Where they lie.
    width : int
        Pixels across a stroke.
    length : sequence of int
        Least and largest number of pixels along it.

    Returns
    -------
    ndarray
        (h, w) uint8: 0 is unpainted, ``i + 1`` class ``i``.
    """
    painted = np.zeros(mask.shape, dtype=np.uint8)
    for value in range(classes):
        inside = _depth(mask == value) > width
        areas, count = ndimage.label(inside)
        if not count:
            continue
        share = np.sqrt(np.bincount(areas.ravel())[1:].astype(np.float64))
        for _ in range(strokes):
            area = int(random.choice(count, p=share / share.sum())) + 1
            places = np.argwhere(areas == area)
            line = _wander(inside, places[random.integers(len(places))], random.uniform(*length), random)
            painted[_thick(line, width) & (mask == value)] = value + 1
    return painted


def correct(
    truth: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    classes: int,
    random: np.random.Generator,
    *,
    width: int = WIDTH,
    length: Sequence[int] = LENGTH,
) -> NDArray[np.uint8]:
    """One stroke of the true class, through the middle of the widest area that is wrong.

    Parameters
    ----------
    truth : ndarray
        (h, w) true class from 0; values from ``classes`` on do not count.
    labels : ndarray
        (h, w) what the model says, ``i + 1`` for class ``i``.
    classes : int
        Number of classes.
    random : Generator
        Direction of the stroke.
    width, length
        As of :func:`paint`.

    Returns
    -------
    ndarray
        (h, w) uint8, 0 where nothing is painted; all 0 where nothing is wrong.
    """
    painted = np.zeros(truth.shape, dtype=np.uint8)
    depths = [_depth((truth == value) & (labels != value + 1)) for value in range(classes)]
    value = int(np.argmax([depth.max() for depth in depths]))
    if depths[value].max() == 0:
        return painted
    start = np.array(np.unravel_index(int(depths[value].argmax()), truth.shape))
    inside = depths[value] > min(width, depths[value].max() - 1)
    line = _wander(inside, start, random.uniform(*length), random)
    painted[_thick(line, width) & (truth == value)] = value + 1
    return painted


def _depth(area: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance to the border of an area; the image's border is one."""
    found: NDArray[np.float64] = ndimage.distance_transform_edt(np.pad(area, 1))[1:-1, 1:-1]
    return found


def _wander(
    inside: NDArray[np.bool_], start: NDArray[np.intp], length: float, random: np.random.Generator
) -> NDArray[np.bool_]:
    line = np.zeros(inside.shape, dtype=bool)
    y, x = map(float, start)
    angle = random.uniform(0, 2 * np.pi)
    for _ in range(int(length)):
        row, column = round(y), round(x)
        if not (0 <= row < inside.shape[0] and 0 <= column < inside.shape[1] and inside[row, column]):
            break
        line[row, column] = True
        angle += random.normal(0, _TURN)
        y, x = y + np.sin(angle), x + np.cos(angle)
    return line


def _thick(line: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    return ndimage.binary_dilation(line, iterations=width // 2) if width > 1 else line
