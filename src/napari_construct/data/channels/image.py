"""An image of named channels, as microscopes and multiplexed imaging make them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_construct.types import ShortRepr


@dataclass(frozen=True, slots=True, repr=False)
class ChannelImage(ShortRepr):
    """Channels of one plane, with the values of the file.

    Attributes
    ----------
    pixels : ndarray
        (c, h, w), any integer or float type.
    names : tuple of str
        Of the channels, as the file says, or "0", "1", ... where it says nothing.
    mpp : float or None
        Micrometres per pixel; None if unknown.
    notices : tuple of str
        Conversions and assumptions, one sentence each.
    path : Path
        File of the image.
    """

    pixels: NDArray[Any]
    names: tuple[str, ...]
    mpp: float | None
    notices: tuple[str, ...]
    path: Path
