"""Arrays as people and napari layers hold them, as images of channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np

from napari_construct.data.channels.assemble import channel_image
from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.channels.normalise import percentile_limits
from napari_construct.data.inputs import axis_kind, ordered
from napari_construct.data.limits import MAX_CHANNELS, MAX_PIXELS, check_size
from napari_construct.exceptions import InputError
from napari_construct.types import ShortRepr

_BYTES_PER_PIXEL: Final = 8


KnownLimits: TypeAlias = dict[tuple[int, tuple[int, ...], float, float], tuple[float, float]]
"""By array, plane and percentiles."""


@dataclass(frozen=True, slots=True, repr=False)
class PlaneLimits(ShortRepr):
    """Between which values a plane of an array is normalised; :class:`~.image.Limits`.

    Attributes
    ----------
    array : array
        (..., h, w).
    plane : tuple of int
        Indices of the plane.
    known : dict, optional
        What was found before, also for other planes and arrays.
    """

    array: Any
    plane: tuple[int, ...]
    known: KnownLimits = field(default_factory=dict, repr=False)

    def __call__(self, low: float, high: float) -> tuple[float, float]:
        key = id(self.array), self.plane, low, high
        if key not in self.known:
            self.known[key] = percentile_limits(np.asarray(self.array[self.plane]), low, high)
        return self.known[key]


def as_channels(
    array: Any,
    *,
    name: str = "image",
    names: Sequence[str] | None = None,
    axis: int | None = None,
    mpp: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> ChannelImage:
    """An image of channels from an array.

    Parameters
    ----------
    array : array-like
        (h, w), (c, h, w) or (h, w, c): numpy, dask or zarr; lazy ones are loaded after their size was
        checked. The axes of an xarray may have any order: they are found by their names (y, x, c), and its
        coordinates along c name the channels.
    name : str
        What errors call the array, for example the layer's name.
    names : sequence of str, optional
        Of the channels.
    axis : int, optional
        Axis of the channels in a plain array. By default the shorter one of the first and the last axis,
        where it is shorter than rows and columns.
    mpp : float, optional
        Micrometres per pixel.
    max_pixels : int
        Refuse arrays with more rows times columns, or more than 8 bytes for each of so many pixels.

    Raises
    ------
    InputError
        If the shape is none of these, a side is under 16 pixels, the array is too large, values are NaN or
        infinite, or there are not as many names as channels.
    """
    if isinstance(array, ChannelImage):
        array, names, mpp = array.pixels, names or array.names, array.mpp if mpp is None else mpp
        axis = 0
    if hasattr(array, "dims") and hasattr(array, "transpose"):
        names = names or _labels(array)
        array, axis = ordered(array, name), -1
    if not (hasattr(array, "shape") and hasattr(array, "dtype")):
        raise InputError(
            f"{name}: expected an array (h, w), (c, h, w) or (h, w, c), got {type(array).__name__}; convert "
            "it with numpy.asarray"
        )
    shape = tuple(int(n) for n in array.shape)
    place = _axis(shape, axis, name)
    rows, columns = (n for i, n in enumerate(shape) if i != place)
    check_size(name, rows, columns, max_pixels)
    size = math.prod(shape) * np.dtype(array.dtype).itemsize
    if size > _BYTES_PER_PIXEL * max_pixels:
        raise InputError(
            f"{name}: expected at most {_BYTES_PER_PIXEL * max_pixels:,} bytes, got {size:,}; take a part of "
            "it, or fewer channels"
        )
    loaded = np.asarray(array)
    pixels = loaded[None] if place is None else np.moveaxis(loaded, place, 0)
    if names and len(names) != len(pixels):
        raise InputError(
            f"{name}: expected {len(pixels)} names of channels, got {len(names)}; name each channel"
        )
    return channel_image(pixels, tuple(names or ()), name=name, mpp=mpp)


def _axis(shape: tuple[int, ...], axis: int | None, name: str) -> int | None:
    """Axis of the channels; None of an array without."""
    if len(shape) == 2:
        return None
    if len(shape) != 3 or (axis is not None and not -3 <= axis < 3):
        raise InputError(
            f"{name}: expected one plane (h, w), (c, h, w) or (h, w, c), got shape {shape}; choose one plane "
            "of a stack"
        )
    place = axis % 3 if axis is not None else min((0, 2), key=shape.__getitem__)
    others = [n for i, n in enumerate(shape) if i != place]
    if axis is None and shape[place] >= min(others):
        raise InputError(
            f"{name}: expected fewer channels than rows and columns, got shape {shape}; say which axis the "
            "channels are (axis=0)"
        )
    if not 1 <= shape[place] <= MAX_CHANNELS:
        raise InputError(
            f"{name}: expected 1 to {MAX_CHANNELS} channels, got {shape[place]} (shape {shape}); choose one "
            "plane of a stack"
        )
    return place


def _labels(array: Any) -> tuple[str, ...]:
    """Names of channels that an xarray keeps along its axis of channels."""
    axis = next((dim for dim in array.dims if axis_kind(str(dim)) == 2 and array.sizes[dim] > 1), None)
    coordinates = array.coords[axis].values if axis is not None and axis in array.coords else ()
    return tuple(str(label) for label in coordinates)
