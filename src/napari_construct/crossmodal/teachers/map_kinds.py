"""Whether the values of a map are probabilities, instances or a mask, and how they come to one form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from napari_construct.exceptions import InputError
from napari_construct.types import FloatArray

Kind = Literal["probability", "labels", "mask"]

_FULL: Final = {np.dtype(np.bool_): 1.0, np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}
"""The value that stands for probability 1, by type."""


def kind_of(values: NDArray[Any]) -> Kind:
    """What values are most likely.

    Floating numbers and maps of several channels are probabilities. Integers of one value beside 0 are a
    mask. Other integers of 32 and 64 bits are instances. With 8 and 16 bits the inside of cells decides:
    nearly every number of an instance has a pixel whose four neighbours have the same number; in a map of
    probabilities few values do.

    Parameters
    ----------
    values : ndarray
        (h, w), or with a third axis of channels.
    """
    if values.ndim == 3 or values.dtype.kind == "f":
        return "probability"
    found = np.unique(values)
    found = found[found != 0]
    if len(found) <= 1:
        return "mask"
    if values.dtype.itemsize >= 4:
        return "labels"
    centre = values[1:-1, 1:-1]
    same = centre != 0
    for neighbour in (values[:-2, 1:-1], values[2:, 1:-1], values[1:-1, :-2], values[1:-1, 2:]):
        same &= centre == neighbour
    return "labels" if len(np.unique(centre[same])) > len(found) / 2 else "probability"


def probabilities(values: NDArray[Any], path: Path) -> FloatArray:
    """Values as float32 in [0, 1]: floating ones as they are, uint8 over 255, uint16 over 65535.

    Raises
    ------
    InputError
        If they are no probabilities.
    """
    if values.dtype.kind != "f":
        full = _FULL.get(values.dtype)
        if full is None:
            raise InputError(
                f"{path}: expected probabilities as float, uint8 or uint16, got {values.dtype}; save them as "
                'float32, or say that these are instances (content "labels")'
            )
        return values.astype(np.float32) / np.float32(full)
    low, high = float(values.min()), float(values.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN is neither
        raise InputError(
            f"{path}: expected probabilities from 0 to 1, got {low:.4g} to {high:.4g}; save the "
            'probabilities, not logits or percent, or say that these are instances (content "labels")'
        )
    return np.asarray(np.clip(values, 0, 1), np.float32)


def labels(values: NDArray[Any], path: Path) -> NDArray[Any]:
    """Values as whole numbers, 0 is background.

    Raises
    ------
    InputError
        If they are none.
    """
    if values.ndim != 2:
        raise InputError(
            f"{path}: expected one number a pixel, got the shape {values.shape}; save the instances as one "
            'channel, or say that these are probabilities (content "probability")'
        )
    if values.dtype.kind == "f":
        whole = values.astype(np.int64) if bool(np.isfinite(values).all()) else None
        if whole is None or (whole != values).any():
            raise InputError(
                f"{path}: expected whole numbers of cells, got {values.dtype} between them; save the "
                'instances, or say that these are probabilities (content "probability")'
            )
        values = whole
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    if values.min() < 0:
        raise InputError(
            f"{path}: expected numbers of cells from 0 on, got {values.min()}; give background the number 0"
        )
    return values


def mask(values: NDArray[Any], path: Path) -> FloatArray:
    """(h, w) float32, 1 where the value is not 0.

    Raises
    ------
    InputError
        If there are several channels, or two values of which none is 0.
    """
    whole = labels(values, path)
    found = np.unique(whole)
    if len(found) > 1 and found[0] != 0:
        raise InputError(
            f"{path}: expected 0 for background, got {found[0]} and {found[-1]}; save background as 0"
        )
    return np.asarray(whole != 0, np.float32)


def channel_last(values: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """(h, w, c) of (h, w), (h, w, c) or (c, h, w); the sides of the image tell which axis is which.

    Also of (w, c, h), as what a TIFF of (h, w, c) is taken for where nothing is said of its axes.
    """
    if values.ndim == 2:
        return values[..., None]
    orders = (0, 1, 2), (1, 2, 0), (2, 0, 1)
    fitting = (order for order in orders if _factor(tuple(values.shape[i] for i in order[:2]), shape))
    return values.transpose(next(fitting, orders[0]))


def summed(values: FloatArray, chosen: Sequence[int], path: Path) -> FloatArray:
    """(h, w): channels of (h, w, c) added, at most 1.

    Raises
    ------
    InputError
        If there is no such channel.
    """
    count = values.shape[-1]
    if not all(0 <= index < count for index in chosen):
        raise InputError(
            f"{path}: expected channels from 0 to {count - 1}, got {', '.join(map(str, chosen))}; choose "
            "among these"
        )
    found: FloatArray = np.minimum(values[..., list(chosen)].sum(-1, dtype=np.float32), np.float32(1))
    return found


def at_size(values: NDArray[Any], shape: tuple[int, int], name: str, path: Path) -> NDArray[Any]:
    """(h, w, ...) at the size of the image.

    Maps of a whole multiple of it, as some pipelines enlarge before they classify, are brought down:
    probabilities by the mean of each block, whole numbers by the pixel in its middle.

    Raises
    ------
    InputError
        If the size is another one.
    """
    factor = _factor(values.shape[:2], shape)
    if factor is None:
        raise InputError(
            f"{path}: expected {shape[0]} x {shape[1]} pixels as {name} has, or a whole multiple, got "
            f"{values.shape[0]} x {values.shape[1]}; export it at the size of the image"
        )
    if factor == 1:
        return values
    if values.dtype.kind != "f":
        return values[factor // 2 :: factor, factor // 2 :: factor]
    blocks = values.reshape(shape[0], factor, shape[1], factor, *values.shape[2:])
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def _factor(found: tuple[int, ...], shape: tuple[int, int]) -> int | None:
    """By how much a map is larger than its image; None where that is no whole number."""
    factor = found[0] // shape[0]
    return factor if factor and tuple(found) == (factor * shape[0], factor * shape[1]) else None
