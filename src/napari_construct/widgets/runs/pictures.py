"""Pictures of a few images during a training run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_construct.events import Event
from napari_construct.types import RGBImage

COUNT: Final = 4
"""Images that are shown."""

LARGEST: Final = 256
"""Largest side of a picture in pixels."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """One image with what a model says of it.

    Attributes
    ----------
    name : str
        Name of the file.
    image, activation : ndarray
        (h, w, 3) uint8: the middle of the image, as it is and with what the model says.
    """

    name: str
    image: RGBImage
    activation: RGBImage


@dataclass(frozen=True, slots=True, eq=False)
class PreviewsDone(Event):
    """The previews after an epoch; epochs are counted from 1."""

    epoch: int = 0
    previews: tuple[Preview, ...] = ()


def middle(shape: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns of the middle of an image, as much as a picture shows."""
    starts = [max(n - LARGEST, 0) // 2 for n in shape[:2]]
    return slice(starts[0], starts[0] + LARGEST), slice(starts[1], starts[1] + LARGEST)


def spread(items: Sequence[Item], count: int = COUNT) -> tuple[Item, ...]:
    """A few of many, from the first to the last."""
    if not items:
        return ()
    places: NDArray[np.intp] = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(np.intp)
    return tuple(items[i] for i in np.unique(places).tolist())
