"""A simulated user who paints strokes, from masks and a seed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LENGTH: Final = (20, 45)
"""Pixels of a stroke along its path, from least to most."""

WIDTH: Final = 3
"""Of the brush in pixels."""

BEND: Final = 0.15
"""Standard deviation of the change of direction from pixel to pixel, radians."""


def strokes(
    truth: NDArray[np.uint8],
    pixels: int,
    random: np.random.Generator,
    *,
    labels: NDArray[np.uint8] | None = None,
    width: int = WIDTH,
    length: tuple[int, int] = LENGTH,
) -> NDArray[np.uint8]:
    """Strokes that cover about ``pixels`` pixels, classes in turn.

    Parameters
    ----------
    truth : ndarray
        (h, w) uint8: class ``i`` is value ``i``, 255 is no class.
    pixels : int
        Painted in the end, but for what the last stroke lacks.
    random : Generator
        Draws places and directions.
    labels : ndarray, optional
        (h, w) uint8, a model's mask: the user paints where it is wrong, larger mistakes first. Without,
        strokes lie anywhere within the classes.
    width, length
        Of a stroke in pixels.

    Returns
    -------
    ndarray
        (h, w) uint8: 0 is not painted, ``i + 1`` is class ``i``.
    """
    painted = np.zeros(truth.shape, np.uint8)
    classes = [value for value in np.unique(truth).tolist() if value < 255]
    rooms = {value: _room(truth, labels, value, width) for value in classes}
    for turn in range(1000):
        left = pixels - int((painted > 0).sum())
        value = classes[turn % len(classes)]
        if left < width:
            break
        free = rooms[value] & (painted == 0)
        if not free.any():
            if not any((rooms[other] & (painted == 0)).any() for other in classes):
                break
            continue
        steps = min(int(random.integers(length[0], length[1] + 1)), max(left // width, 1))
        drawn = ndimage.binary_dilation(_path(free, steps, random), iterations=width // 2)
        painted[drawn & (truth == value) & (painted == 0)] = value + 1
    return painted


def _room(
    truth: NDArray[np.uint8], labels: NDArray[np.uint8] | None, value: int, width: int
) -> NDArray[np.bool_]:
    """Where the middle of a brush may be: within a class, and within a mistake where there is a mask."""
    within = truth == value
    if labels is not None:
        within &= labels != value + 1
    deep = ndimage.distance_transform_edt(np.pad(within, 1))[1:-1, 1:-1]
    found: NDArray[np.bool_] = deep > width
    return found if found.any() else deep > width / 2


def _path(free: NDArray[np.bool_], steps: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """A bent line that stays where it may be; larger regions more often."""
    regions, count = ndimage.label(free)
    shares = np.sqrt(np.bincount(regions.ravel())[1:])
    places = np.argwhere(regions == 1 + random.choice(count, p=shares / shares.sum()))
    place = places[random.integers(len(places))].astype(float)
    angle = random.uniform(0, 2 * np.pi)
    path = np.zeros(free.shape, np.bool_)
    for _ in range(steps):
        row, column = (round(at) for at in place.tolist())
        if not (0 <= row < free.shape[0] and 0 <= column < free.shape[1] and free[row, column]):
            break
        path[row, column] = True
        angle += random.normal(0, BEND)
        place += np.sin(angle), np.cos(angle)
    return path
