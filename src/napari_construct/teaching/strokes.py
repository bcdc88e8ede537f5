"""What a person painted on an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_construct.exceptions import InputError
from napari_construct.types import RGBImage, ShortRepr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Strokes(ShortRepr):
    """What a person painted on one image, or on a part of a slide.

    Attributes
    ----------
    name : str
        Of the image, for records and messages.
    image : ndarray
        (h, w, 3) uint8 RGB: a whole patch, or the part of a slide that holds the strokes.
    painted : ndarray
        (h, w) uint8: 0 is unpainted, ``i + 1`` is class ``i`` of the classes that are taught.
    mpp : float or None
        Micrometres per pixel of ``image``.
    place : tuple of int
        Row and column of the part in its source, in pixels of level 0.
    source : str or None
        Path of the file, where there is one.
    used : bool
        False where it is switched off: kept and recorded, but not learned from.

    Raises
    ------
    InputError
        If the image is no RGB uint8, or ``painted`` has another size or type.
    """

    name: str
    image: RGBImage
    painted: NDArray[np.uint8]
    mpp: float | None
    place: tuple[int, int] = (0, 0)
    source: str | None = None
    used: bool = True

    def __post_init__(self) -> None:
        image, painted = self.image, self.painted
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(
                f"{self.name}: expected an RGB image of shape (h, w, 3) and type uint8, got {image.shape} "
                f"{image.dtype}; convert it with napari_construct.data.images.as_rgb"
            )
        if painted.dtype != np.uint8 or painted.shape != image.shape[:2]:
            raise InputError(
                f"{self.name}: expected painted classes of the image's size {image.shape[:2]} and type "
                f"uint8, got {painted.shape} {painted.dtype}; paint on the image's own pixels"
            )
        if self.mpp is not None and not 0 < self.mpp <= 1000:
            raise InputError(
                f"{self.name}: expected micrometres per pixel above 0, got {self.mpp:g}; correct its pixel "
                "size"
            )

    def counts(self, k: int) -> tuple[int, ...]:
        """Painted pixels of each of ``k`` classes.

        Raises
        ------
        InputError
            If a value is that of no class.
        """
        found = np.bincount(self.painted.ravel(), minlength=k + 1)
        if len(found) > k + 1:
            raise InputError(
                f"{self.name}: expected painted values from 0 to {k}, as there are {k} classes, got "
                f"{len(found) - 1}; add the class or erase it"
            )
        return tuple(found[1:].tolist())
