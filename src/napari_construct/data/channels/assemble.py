"""Channels of any source as a :class:`~napari_construct.data.channels.image.ChannelImage`, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.channels.image import ChannelImage
from napari_construct.exceptions import InputError


def channel_image(
    pixels: NDArray[Any],
    names: Sequence[str],
    *,
    name: str,
    mpp: float | None = None,
    notices: tuple[str, ...] = (),
    path: Path | None = None,
) -> ChannelImage:
    """An image of channels whose values are numbers.

    Parameters
    ----------
    pixels : ndarray
        (c, h, w).
    names : sequence of str
        Of the channels; empty for their positions.
    name : str
        What errors call the image.
    mpp : float, optional
        Micrometres per pixel.
    notices : tuple of str
        Of the image.
    path : Path, optional
        Its file; the name otherwise.

    Raises
    ------
    InputError
        If values are NaN, infinite, complex or no numbers.
    """
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8)
    if pixels.dtype.kind not in "iuf":
        raise InputError(
            f"{name}: expected brightness values (integers or floats), got {pixels.dtype}; convert the image"
        )
    if pixels.dtype.kind == "f":
        bad = sum(int(channel.size - np.count_nonzero(np.isfinite(channel))) for channel in pixels)
        if bad:
            raise InputError(
                f"{name}: expected finite values, got {bad} NaN or infinite one(s); replace or crop them"
            )
    called = tuple(names) or tuple(map(str, range(len(pixels))))
    return ChannelImage(np.ascontiguousarray(pixels), called, mpp, notices, path or Path(name))


def picked(image: ChannelImage, channels: Sequence[int], mpp: float | None = None) -> ChannelImage:
    """The channels at these positions, in this order; ``mpp`` replaces what the file says."""
    if tuple(channels) != tuple(range(len(image.names))):
        names = tuple(image.names[i] for i in channels)
        limits = None if image.limits is None else tuple(image.limits[i] for i in channels)
        pixels = np.ascontiguousarray(image.pixels[list(channels)])
        image = replace(image, pixels=pixels, names=names, limits=limits)
    return image if mpp is None else replace(image, mpp=mpp)


def join_channels(images: Sequence[ChannelImage], names: Sequence[str] | None = None) -> ChannelImage:
    """One image of the channels of several, as of files or layers that hold one channel each.

    Parameters
    ----------
    images : sequence of ChannelImage
        Of one place: all (c, h, w) with the same h and w. At least one.
    names : sequence of str, optional
        For the channels of the result; otherwise those of the images where they differ, else their positions.

    Raises
    ------
    InputError
        If their sizes or pixel sizes differ, or there are not as many names as channels.
    """
    if not images:
        raise InputError("expected images whose channels are joined, got none; name at least one")
    first = images[0]
    for other in images[1:]:
        if other.pixels.shape[1:] != first.pixels.shape[1:]:
            raise InputError(
                f"{other.path}: expected channels of {_size(first)} pixels as {first.path.name} has, got "
                f"{_size(other)}; choose images of one place"
            )
        if first.mpp and other.mpp and abs(other.mpp / first.mpp - 1) > 0.02:
            raise InputError(
                f"{other.path}: expected {first.mpp:.4g} um per pixel as {first.path.name} has, got "
                f"{other.mpp:.4g}; choose images of one place"
            )
    pixels = np.concatenate([image.pixels for image in images])
    called = tuple(names) if names is not None else tuple(n for image in images for n in image.names)
    if names is None and len(set(called)) < len(called):
        called = ()
    if called and len(called) != len(pixels):
        raise InputError(
            f"{first.path}: expected {len(pixels)} names of channels, got {len(called)}; name each channel"
        )
    mpp = next((image.mpp for image in images if image.mpp), None)
    notices = tuple(dict.fromkeys(notice for image in images for notice in image.notices))
    return channel_image(pixels, called, name=str(first.path), mpp=mpp, notices=notices, path=first.path)


def _size(image: ChannelImage) -> str:
    return f"{image.pixels.shape[1]} x {image.pixels.shape[2]}"
