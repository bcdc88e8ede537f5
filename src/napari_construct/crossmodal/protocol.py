"""What a teacher is: from named channels to a foreground, and boundaries or cells where it knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_construct.types import FloatArray, ShortRepr


@dataclass(frozen=True, slots=True)
class TeacherSpec:
    """What is known of a teacher before it is loaded.

    Attributes
    ----------
    id : str
        Name on the command line.
    title : str
        Name for people.
    licence : str
        Of its weights, as its authors state it.
    gated : bool
        Whether its weights must be asked for.
    parameters : int or None
        Number of its weights.
    channels : tuple of str
        Roles it looks at, in this order: "nuclear", "membrane". Empty: all channels there are.
    """

    id: str
    title: str
    licence: str
    gated: bool = False
    parameters: int | None = None
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class TeacherView(ShortRepr):
    """What a teacher is shown.

    Attributes
    ----------
    channels : ndarray
        (c, h, w) float32 in [0, 1]: the roles of ``spec.channels``, each normalised by its percentiles; of a
        part of an image by those of the whole.
    roles : tuple of str
        Of the channels.
    mpp : float or None
        Micrometres per pixel.
    name : str
        Of the image; a precomputed teacher finds its file by it.
    """

    channels: FloatArray
    roles: tuple[str, ...]
    mpp: float | None
    name: str


@dataclass(frozen=True, slots=True, repr=False)
class TeacherOutput(ShortRepr):
    """What a teacher says of an image.

    Attributes
    ----------
    foreground : ndarray
        (h, w) float32 in [0, 1]: probability that a pixel belongs to a cell.
    boundary : ndarray or None
        (h, w) float32 in [0, 1]: probability that it lies on the border of a cell.
    instances : ndarray or None
        (h, w) int32: 0 is background, every cell has a number of its own.
    """

    foreground: FloatArray
    boundary: FloatArray | None = None
    instances: NDArray[np.int32] | None = None


@runtime_checkable
class Teacher(Protocol):
    """A frozen model, or the stored output of one.

    Attributes
    ----------
    spec : TeacherSpec
        What is known before it is loaded.
    identity : str
        SHA-256 over weights and settings (of stored outputs: over the files), part of the cache's key.
    """

    @property
    def spec(self) -> TeacherSpec: ...

    @property
    def identity(self) -> str: ...

    def predict(self, view: TeacherView) -> TeacherOutput:
        """Foreground, boundary and cells of one image; ``InputError`` names an image it cannot use."""
        ...
