"""Corrected images at the model's resolution, and the squares that a step sees of them.

One mask holds both kinds of labels of an image with k classes, so that every view cuts them alike: values
below k are painted, values from k to 2k - 1 what the old model was sure of, ``UNKNOWN`` is neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_construct.inference.activation.resample import resample_image
from napari_construct.losses.partial_cross_entropy import UNKNOWN
from napari_construct.training.randomness import seed_of
from napari_construct.training.views.patches import pad_to
from napari_construct.training.views.sheets import SIDE
from napari_construct.types import RGBImage, ShortRepr

MOST_CLASSES: Final = 127
"""A mask of both kinds of labels holds no more."""

_JITTER: Final = 0.3
"""How far the painted pixel that a square is drawn for may lie from its middle, in sides."""

_TOUCHING: Final = np.ones((3, 3), np.bool_)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Part(ShortRepr):
    """A corrected image at the model's resolution, at least as large as a view.

    Attributes
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB.
    labels : ndarray
        (h, w) uint8: painted, believed, or ``UNKNOWN``.
    """

    image: RGBImage
    labels: NDArray[np.uint8]


def make_part(
    image: RGBImage,
    painted: NDArray[np.uint8],
    believed: NDArray[np.uint8] | None,
    shape: tuple[int, int],
    k: int,
    size: int,
) -> Part:
    """Bring an image to ``shape`` and join its labels.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8.
    painted : ndarray
        (h, w) uint8, 0 is not painted, ``i + 1`` is class ``i``.
    believed : ndarray or None
        (h, w) uint8, classes or ``UNKNOWN``.
    shape : tuple of int
        Rows and columns at the model's resolution.
    k, size : int
        Number of classes; side of a view.
    """
    labels = np.full(shape, UNKNOWN, np.uint8)
    if believed is not None:
        nearest = believed[np.ix_(*(_centres(n, m) for n, m in zip(shape, believed.shape, strict=True)))]
        known = nearest != UNKNOWN
        labels[known] = nearest[known] + k
    marks = at_shape(painted, shape)
    labels[marks > 0] = marks[marks > 0] - 1
    below, right = (max(size - n, 0) for n in shape)
    return Part(
        pad_to(resample_image(image, shape), (size, size)),
        np.pad(labels, ((0, below), (0, right)), constant_values=UNKNOWN),
    )


def at_shape(painted: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Painted pixels on another grid; a thin stroke stays where the grid is coarser."""
    if painted.shape == shape:
        return painted
    if shape[0] >= painted.shape[0] and shape[1] >= painted.shape[1]:
        return painted[np.ix_(*(_centres(n, m) for n, m in zip(shape, painted.shape, strict=True)))]
    marks = np.zeros(shape, np.uint8)
    rows, columns = np.nonzero(painted)
    to = [
        np.minimum(at * n // m, n - 1) for at, n, m in zip((rows, columns), shape, painted.shape, strict=True)
    ]
    marks[to[0], to[1]] = painted[rows, columns]
    return marks


def _centres(count: int, of: int) -> NDArray[np.intp]:
    """Pixel of ``of`` that lies under the middle of each of ``count``."""
    return np.minimum((np.arange(count) + 0.5) * of / count, of - 1).astype(np.intp)


class Crops:
    """Squares of corrected images: around strokes, classes equally often, or anywhere.

    Parameters
    ----------
    parts : sequence of Part
        The images.
    k : int
        Number of classes.
    size : int
        Side of the squares.
    seed : int
        Of the draws, which are functions of seed and step.
    """

    def __init__(self, parts: Sequence[Part], k: int, size: int, seed: int) -> None:
        self.parts, self._size, self._seed = tuple(parts), size, seed
        self._strokes: dict[int, list[tuple[int, NDArray[np.intp]]]] = {}
        for number, part in enumerate(parts):
            for value in range(k):
                drawn, count = ndimage.label(part.labels == value, _TOUCHING)
                for index, box in enumerate(ndimage.find_objects(drawn, count), start=1):
                    inside = np.argwhere(drawn[box] == index) + np.array([box[0].start, box[1].start])
                    self._strokes.setdefault(value, []).append((number, inside))
        self._weights = {
            value: _shares([np.sqrt(len(places)) for _, places in strokes])
            for value, strokes in self._strokes.items()
        }
        self._areas = _shares([float(part.labels.size) for part in parts])

    def batch(
        self, step: int, around: int, anywhere: int
    ) -> tuple[UInt8[Tensor, "b s s 3"], UInt8[Tensor, "b s s"]]:
        """Squares around strokes, and then squares from anywhere, with their labels."""
        random = np.random.default_rng(seed_of(self._seed, "strokes", step))
        cut = [self._around(random) for _ in range(around)] + [
            self._anywhere(random) for _ in range(anywhere)
        ]
        images, labels = (np.stack(arrays) for arrays in zip(*cut, strict=True))
        return torch.from_numpy(images), torch.from_numpy(labels)

    def _around(self, random: np.random.Generator) -> tuple[RGBImage, NDArray[np.uint8]]:
        value = sorted(self._strokes)[random.integers(len(self._strokes))]
        number, places = self._strokes[value][
            random.choice(len(self._weights[value]), p=self._weights[value])
        ]
        place = places[random.integers(len(places))]
        jitter = random.uniform(-_JITTER, _JITTER, 2) * self._size
        return self._cut(number, place + jitter - self._size / 2)

    def _anywhere(self, random: np.random.Generator) -> tuple[RGBImage, NDArray[np.uint8]]:
        number = int(random.choice(len(self.parts), p=self._areas))
        room = np.array(self.parts[number].labels.shape) - self._size
        return self._cut(number, random.uniform(0, 1, 2) * (room + 1))

    def _cut(self, number: int, corner: NDArray[np.float64]) -> tuple[RGBImage, NDArray[np.uint8]]:
        part, size = self.parts[number], self._size
        top, left = np.clip(corner.astype(int), 0, np.array(part.labels.shape) - size).tolist()
        box = slice(top, top + size), slice(left, left + size)
        return part.image[box], part.labels[box]


class PartSheets:
    """The corrected images themselves, as large as tiles: what images look like to a network.

    Parameters
    ----------
    parts : sequence of Part
        The images; of larger ones the square with most painted pixels is shown.
    k : int
        Number of classes.
    multiple : int
        Sides are multiples of it.
    """

    def __init__(self, parts: Sequence[Part], k: int, multiple: int) -> None:
        self._parts, self._k, self._multiple = tuple(parts), k, multiple

    def __len__(self) -> int:
        return len(self._parts)

    def sheet(self, number: int) -> Float[Tensor, "1 3 y x"]:
        """RGB in [0, 1]."""
        part = self._parts[number]
        painted = np.argwhere(part.labels < self._k)
        middle = np.median(painted, 0) if len(painted) else np.array(part.labels.shape) / 2
        box = []
        for centre, length in zip(middle.tolist(), part.labels.shape, strict=True):
            side = min(length, SIDE) // self._multiple * self._multiple
            start = min(max(int(centre - side / 2), 0), length - side)
            box.append(slice(start, start + side))
        pixels = torch.from_numpy(np.ascontiguousarray(part.image[tuple(box)]))
        return pixels.permute(2, 0, 1)[None].float() / 255


def _shares(weights: Sequence[float]) -> NDArray[np.float64]:
    found = np.asarray(weights, np.float64)
    shares: NDArray[np.float64] = found / found.sum()
    return shares
