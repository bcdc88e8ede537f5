"""OME-Zarr images of a local folder: level 0 of the first multiscale image, versions 0.1 to 0.5.

Specification: ngff.openmicroscopy.org. Only the metadata of the image's own group are followed; what they say
of sizes is checked before anything is decoded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_construct.data.limits import MAX_CHANNELS, METADATA_ERRORS, check_size, decoding
from napari_construct.data.resolution import PixelSize, chosen
from napari_construct.data.stored import RED_GREEN_BLUE, ChannelHeader, StoredImage
from napari_construct.data.zarr_chunks import check_chunks
from napari_construct.data.zarr_multiscale import SMALL_CHUNK, open_multiscale, series_of
from napari_construct.exceptions import InputError
from napari_construct.reading.foreign import harmless

_BYTES_PER_PIXEL: Final = 6  # RGB of 16 bits
_RED_GREEN_BLUE: Final = ["FF0000", "00FF00", "0000FF"]


def read_zarr(path: Path, max_pixels: int, *, channels: bool = False) -> StoredImage:
    """Level 0 of an OME-Zarr image with one channel or three, or with any.

    Parameters
    ----------
    path : Path
        The folder.
    max_pixels : int
        Larger images are refused before anything is decoded.
    channels : bool
        Whether any number of channels is read, with the labels that the metadata (``omero``) give them.

    Raises
    ------
    InputError
        If it is damaged, too large, a stack, a plate, labels, or no image; without ``channels`` also if it
        is fluorescence.
    """
    with decoding(path, METADATA_ERRORS):
        level = _level(path, max_pixels, channels=channels)
        array, axes = level.array, level.axes
        pixels = np.asarray(array[tuple(0 if a in "tz" else slice(None) for a in axes)])
        kept = [a for a in axes if a not in "tz"]
        order = [kept.index(a) for a in "yx"] + ([kept.index("c")] if "c" in kept else [])
        names = level.names if channels else ()
        return StoredImage(pixels.transpose(order), level.size.mpp, level.notices(channels=channels), names)


def channel_header_of_zarr(path: Path, max_pixels: int) -> ChannelHeader:
    """What :func:`read_zarr` finds with ``channels``; the same errors, except of pixels that are damaged."""
    with decoding(path, METADATA_ERRORS):
        level = _level(path, max_pixels, channels=True)
        sizes = dict(zip(level.axes, level.array.shape, strict=True))
        return ChannelHeader(level.channels, level.names, sizes["y"], sizes["x"], level.size.mpp)


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """Level 0 of an image, checked and not decoded yet."""

    path: Path
    array: Any
    axes: str
    size: PixelSize
    about: Mapping[str, Any]
    images: int

    @property
    def channels(self) -> int:
        return int(self.array.shape[self.axes.index("c")]) if "c" in self.axes else 1

    @property
    def _shown(self) -> list[Mapping[str, Any]]:
        display = self.about.get("omero")
        shown = display.get("channels", ()) if isinstance(display, Mapping) else ()
        return [channel if isinstance(channel, Mapping) else {} for channel in shown]

    @property
    def _colours(self) -> list[str]:
        return [str(channel.get("color", "")).upper() for channel in self._shown]

    @property
    def names(self) -> tuple[str, ...]:
        """Labels of the channels; colours of those without that are shown as red, green and blue."""
        labels = [harmless(" ".join(str(channel.get("label", "")).split())) for channel in self._shown]
        if len(labels) != self.channels:
            return ()
        if any(labels):
            return tuple(label or str(i) for i, label in enumerate(labels))
        return RED_GREEN_BLUE if self._colours == _RED_GREEN_BLUE else ()

    def notices(self, *, channels: bool) -> tuple[str, ...]:
        notices = list(self.size.notices)
        name = self.path.name
        if self.images > 1:
            notices.append(
                f"{name}: the folder holds {self.images - 1} more image(s); only the first is read"
            )
        if not channels and self.channels == 3 and self._colours != _RED_GREEN_BLUE:
            notices.append(f"{name}: the three channels are read as red, green and blue")
        return tuple(notices)


def _level(path: Path, max_pixels: int, *, channels: bool) -> _Level:
    if series := series_of(path):
        if len(series) > 1:
            raise InputError(
                f"{path}: expected one OME-Zarr image, got a container of several; name one of them, for "
                f"example {series[0]}"
            )
        return _level(series[0], max_pixels, channels=channels)
    image = open_multiscale(path)
    array, axes = image.array(0), image.axes
    _check_shape(path, array, axes, max_pixels, most=MAX_CHANNELS if channels else 0)
    check_chunks(image.folder(0), array, max(_BYTES_PER_PIXEL * max_pixels, SMALL_CHUNK))
    size = chosen([image.stated(0)], path.name)
    return _Level(path, array, axes, size, image.about, image.images)


def _check_shape(path: Path, array: Any, axes: str, max_pixels: int, most: int) -> None:
    """Refuse stacks and too many pixels; and more channels than ``most``, or where that is 0 than colours."""
    sizes = dict(zip(axes, array.shape, strict=True))
    planes = [a for a in axes if a not in "cyx" and sizes[a] != 1]
    if planes or "?" in axes:
        raise InputError(
            f"{path}: expected one plane (rows, columns and colour), got axes {axes} of shape {array.shape}; "
            "save one plane as its own image"
        )
    channels = sizes.get("c", 1)
    if most and channels > most:
        raise InputError(
            f"{path}: expected at most {most} channels, got {channels}; save those that matter as an image"
        )
    if not most and channels not in (1, 3) and not (channels == 4 and axes[-1] == "c"):
        raise InputError(
            f"{path}: expected 1 channel, or red, green and blue, got {channels} channels; save one channel, "
            "or three as RGB"
        )
    check_size(path, sizes["y"], sizes["x"], max_pixels)
    size = math.prod(array.shape) * array.dtype.itemsize
    if size > _BYTES_PER_PIXEL * max_pixels:
        raise InputError(
            f"{path}: expected at most {_BYTES_PER_PIXEL * max_pixels:,} bytes of pixels, got {size:,} "
            f"({array.dtype}); save the image as uint8"
        )
