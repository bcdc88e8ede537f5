"""What a person painted on an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_construct.types import RGBImage, ShortRepr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Strokes(ShortRepr):
    """What a person painted on one image.

    Attributes
    ----------
    name : str
        Of the image, for records and messages.
    image : ndarray
        (h, w, 3) uint8 RGB: the painted part; a whole patch, or the part of a slide that holds the strokes.
    painted : ndarray
        (h, w) uint8: 0 is not painted, ``i + 1`` is class ``i``.
    mpp : float or None
        Micrometres per pixel of the image.
    place : tuple of int
        Row and column of the part in its source, in pixels of level 0.
    source : str or None
        Path of the file, where there is one.
    used : bool
        Strokes that are switched off are recorded, but not learned from.
    """

    name: str
    image: RGBImage
    painted: NDArray[np.uint8]
    mpp: float | None
    place: tuple[int, int] = (0, 0)
    source: str | None = None
    used: bool = True
