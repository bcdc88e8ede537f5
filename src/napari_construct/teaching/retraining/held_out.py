"""Which corrections are left out, to score a model on what it did not learn from.

Whole strokes are left out, as pixels of a stroke repeat each other: all of some images where there are three
or more, else some strokes of each class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_construct.teaching.strokes import Strokes
from napari_construct.types import ShortRepr

LEAST_IMAGES: Final = 3
"""From so many corrected images on, whole images are left out."""

LEAST_STROKES: Final = 3
"""Of a class in fewer strokes none is left out."""

_TRIES: Final = 50
_TOUCHING: Final = np.ones((3, 3), np.bool_)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Stroke(ShortRepr):
    """Connected painted pixels of one class.

    Attributes
    ----------
    image : int
        Number of the image.
    of_class : int
        Number of the class, from 0.
    pixels : ndarray
        (n,) places along the rows of the image.
    """

    image: int
    of_class: int
    pixels: NDArray[np.intp]


def strokes_of(corrections: Sequence[Strokes]) -> tuple[Stroke, ...]:
    """The strokes of all corrections that are switched on, image by image and class by class."""
    found = []
    for number, one in enumerate(corrections):
        for value in np.unique(one.painted)[np.unique(one.painted) > 0].tolist() if one.used else ():
            parts, count = ndimage.label(one.painted == value, _TOUCHING)
            flat = parts.ravel()
            places = np.flatnonzero(flat)
            order = np.argsort(flat[places], kind="stable")
            ends = np.cumsum(np.bincount(flat[places], minlength=count + 1)[1:])[:-1]
            found += [
                Stroke(number, value - 1, pixels.astype(np.intp)) for pixels in np.split(places[order], ends)
            ]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Split:
    """Strokes to learn from, and left-out ones.

    Attributes
    ----------
    learned, left_out : tuple of Stroke
        Each in the order of the images.
    by_image : bool
        Whether whole images are left out.
    """

    learned: tuple[Stroke, ...]
    left_out: tuple[Stroke, ...] = ()
    by_image: bool = False

    @property
    def images(self) -> tuple[int, ...]:
        """Numbers of the images with left-out strokes."""
        return tuple(sorted({stroke.image for stroke in self.left_out}))


def split(strokes: Sequence[Stroke], share: float, seed: int) -> Split:
    """Leave out about ``share`` of the strokes; nothing where a class would have none to learn from."""
    images = sorted({stroke.image for stroke in strokes})
    if not share or len(strokes) < 2:
        return Split(tuple(strokes))
    random = np.random.default_rng(seed)
    if len(images) >= LEAST_IMAGES:
        return _by_image(strokes, images, share, random)
    return _by_stroke(strokes, share, random)


def _by_image(
    strokes: Sequence[Stroke], images: Sequence[int], share: float, random: np.random.Generator
) -> Split:
    """Of some draws of images, the first whose two parts have most classes."""
    count = min(max(round(share * len(images)), 1), len(images) - 1)
    every = {stroke.of_class for stroke in strokes}
    best, chosen = (-1, -1), set[int]()
    for _ in range(_TRIES):
        tried = set(random.choice(images, count, replace=False).tolist())
        classes = [{s.of_class for s in strokes if (s.image in tried) == out} for out in (False, True)]
        score = (len(classes[0]), len(classes[1]))
        if score > best:
            best, chosen = score, tried
    if best[0] < len(every):
        return _by_stroke(strokes, share, random)
    learned = tuple(s for s in strokes if s.image not in chosen)
    return Split(learned, tuple(s for s in strokes if s.image in chosen), by_image=True)


def _by_stroke(strokes: Sequence[Stroke], share: float, random: np.random.Generator) -> Split:
    out: set[int] = set()
    for of_class in sorted({stroke.of_class for stroke in strokes}):
        mine = [i for i, stroke in enumerate(strokes) if stroke.of_class == of_class]
        if len(mine) >= LEAST_STROKES:
            count = min(max(round(share * len(mine)), 1), len(mine) - 1)
            out |= set(random.choice(mine, count, replace=False).tolist())
    return Split(
        tuple(s for i, s in enumerate(strokes) if i not in out),
        tuple(s for i, s in enumerate(strokes) if i in out),
    )


def painted_by(strokes: Sequence[Stroke], image: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """(h, w) uint8, the strokes of an image: 0 is not painted, ``i + 1`` is class ``i``."""
    mask = np.zeros(shape, np.uint8)
    for stroke in strokes:
        if stroke.image == image:
            np.put(mask, stroke.pixels, stroke.of_class + 1)
    return mask
