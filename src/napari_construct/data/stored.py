"""What readers of single formats find in a file, before it is brought to RGB."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray


class StoredImage(NamedTuple):
    """Pixels as a file means them, and what else it states.

    Attributes
    ----------
    array : ndarray
        (h, w) or (h, w, c): grey, grey and alpha, RGB, or RGB and alpha.
    mpp : float or None
        Micrometres per pixel.
    notices : tuple of str
        Conversions and assumptions.
    """

    array: NDArray[Any]
    mpp: float | None
    notices: tuple[str, ...]


class ImageHeader(NamedTuple):
    """Rows and columns of an image as viewers show it, and micrometres per pixel or None."""

    rows: int
    columns: int
    mpp: float | None
