"""What readers of single formats find in a file, before it is brought to RGB."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

RED_GREEN_BLUE: Final = ("red", "green", "blue")
"""Names of channels that are colours."""


class StoredImage(NamedTuple):
    """Pixels as a file means them, and what else it states.

    Attributes
    ----------
    array : ndarray
        (h, w) or (h, w, c): grey, grey and alpha, RGB, or RGB and alpha; or channels, where those were asked
        for.
    mpp : float or None
        Micrometres per pixel.
    notices : tuple of str
        Conversions and assumptions.
    names : tuple of str
        Of the channels, where a file that was read as channels says them; one for each, or none.
    """

    array: NDArray[Any]
    mpp: float | None
    notices: tuple[str, ...]
    names: tuple[str, ...] = ()


class ChannelHeader(NamedTuple):
    """What a file says of its channels before they are decoded.

    Attributes
    ----------
    channels : int
        How many there are.
    names : tuple of str
        Of the channels; nothing where the file does not say.
    rows, columns : int
        Of the picture as it is shown.
    mpp : float or None
        Micrometres per pixel.
    """

    channels: int
    names: tuple[str, ...]
    rows: int
    columns: int
    mpp: float | None


class ImageHeader(NamedTuple):
    """Rows and columns of an image as viewers show it, and micrometres per pixel or None."""

    rows: int
    columns: int
    mpp: float | None
