"""An image of named channels, as microscopes and multiplexed imaging make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from napari_construct.types import ShortRepr

Limits: TypeAlias = Callable[[float, float], tuple[float, float]]
"""From two percentiles, 0 to 100, to the values of one channel of a whole image at these, as of
:func:`~.normalise.percentile_limits`."""


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
    limits : tuple of Limits or None
        Of a part that was cut out of an image: for each channel, between which values the whole image is
        normalised, and so its parts. None of an image that is whole.
    """

    pixels: NDArray[Any]
    names: tuple[str, ...]
    mpp: float | None
    notices: tuple[str, ...]
    path: Path
    limits: tuple[Limits, ...] | None = None
