"""One plane of a TIFF with the channels of a microscope, values as stored, checked before it is decoded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.limits import MIN_SIDE, check_size
from napari_construct.data.orientation import TAG, orientation_of
from napari_construct.data.stored import RED_GREEN_BLUE, ChannelHeader, StoredImage
from napari_construct.data.tiff.channel_names import channel_names_of_tiff
from napari_construct.data.tiff.checks import check_bytes
from napari_construct.data.tiff.choice import open_image, set_notice
from napari_construct.data.tiff.colours import check_photometric, stored_colours
from napari_construct.data.tiff.depth import full_scale, in_bands
from napari_construct.data.tiff.layout import Layout, channel_layout_of, check_channel_axes
from napari_construct.data.tiff.pixel_size import pixel_size_of_tiff
from napari_construct.data.tiff.pixels import decode
from napari_construct.data.tiff.read import MAX_PLANES
from napari_construct.events import Doubt
from napari_construct.exceptions import InputError

_MINISWHITE, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_ALPHAS: Final = (1, 2)
_SMALLER: Final = "save a part of it as its own file (in Python a larger max_pixels)"


def read_tiff_channels(path: Path, *, max_pixels: int, plane: int | None = None) -> StoredImage:
    """All channels of the largest image in a TIFF that is no label or overview.

    Channels are the samples of a pixel, an axis that the file calls so, or pages without a meaning. Values
    stay as they are stored; only white-is-zero is inverted, and colours are converted to red, green and blue.

    Parameters
    ----------
    path : Path
        The file. No other file is opened, whatever this one names.
    max_pixels : int
        More pixels, or more bytes of samples than 8 for each of so many, are refused before anything is
        decoded.
    plane : int, optional
        Which plane of a stack, from 0, the last axis counting fastest. By default stacks are refused.

    Returns
    -------
    StoredImage
        (h, w) or (h, w, c), with names where the file says them. Colours are called red, green and blue, and
        alpha may follow them.

    Raises
    ------
    InputError
        If the file is damaged, not supported, too large, or a stack.
    """
    with open_image(path) as (tif, chosen):
        series, page = chosen.series, chosen.series.keyframe
        layout = channel_layout_of(series)
        _check(path, series, layout, max_pixels, stack=plane is not None)
        part = slice(0, layout.height), slice(0, layout.width)
        array, missing = decode(path, series, layout, plane or 0, part, max_pixels)
        notices = (*chosen.notices, *set_notice(path, tif), *missing)
        names = channel_names_of_tiff(tif, series, layout.channels)
        if _has_colours(page, layout) and not names:
            array, more = stored_colours(path, array, page, samples=True)
            names = RED_GREEN_BLUE
        else:
            array, names, more = _values(path, array, page, layout, names)
        orientation = orientation_of(page.tags.valueof(TAG))
        size = pixel_size_of_tiff(tif, page, name=path.name)
        notices += (*more, *_assumed(path, series, layout), *orientation.notice(path.name), *size.notices)
        return StoredImage(np.ascontiguousarray(orientation.show(array)), size.mpp, notices, names)


def channel_planes_of_tiff(path: Path) -> int:
    """How many planes of channels a TIFF holds: its axes that are neither rows, columns nor channels.

    Raises
    ------
    InputError
        If the file is damaged, or says that it has absurdly many.
    """
    with open_image(path) as (_, chosen):
        planes = math.prod(channel_layout_of(chosen.series).planes)
    if planes > MAX_PLANES:
        raise InputError(f"{path}: expected at most {MAX_PLANES:,} planes, got {planes:,}; it is damaged")
    return planes


def channel_header_of_tiff(path: Path, *, max_pixels: int) -> ChannelHeader:
    """What :func:`read_tiff_channels` will find; the same errors, except of pixels that are damaged."""
    with open_image(path) as (tif, chosen):
        series, page = chosen.series, chosen.series.keyframe
        layout = channel_layout_of(series)
        _check(path, series, layout, max_pixels)
        names = channel_names_of_tiff(tif, series, layout.channels)
        shown = orientation_of(page.tags.valueof(TAG)).shown_shape(layout.height, layout.width)
        mpp = pixel_size_of_tiff(tif, page, name=path.name).mpp
        if _has_colours(page, layout) and not names:
            return ChannelHeader(3, RED_GREEN_BLUE, *shown, mpp)
        kept = [i for i in range(layout.channels) if i not in _alphas(page, layout)]
        return ChannelHeader(len(kept), tuple(names[i] for i in kept) if names else (), *shown, mpp)


def _check(path: Path, series: Any, layout: Layout, max_pixels: int, *, stack: bool = False) -> None:
    check_channel_axes(path, layout, str(series.axes), stack=stack)
    check_size(path, layout.height, layout.width, max_pixels, MIN_SIDE, remedy=_SMALLER)
    check_bytes(path, layout, layout.height, layout.width, series.dtype, max_pixels)
    check_photometric(path, series.keyframe)


def _has_colours(page: Any, layout: Layout) -> bool:
    """Whether the samples of a pixel are colours: by the tag, or by a palette that is no scale of one light.

    Microscopes store a channel with the table of its false colour, whose brightness grows with the value.
    """
    photometric = int(page.photometric)
    if photometric == _PALETTE and page.colormap is not None and page.colormap.ndim == 2:
        table = page.colormap.astype(np.int64)
        return layout.channels > 1 or bool((np.diff(table, axis=1) < 0).any())
    return photometric in (_RGB, _YCBCR) and layout.channels >= 3


def _alphas(page: Any, layout: Layout) -> list[int]:
    """Which samples of a pixel are called alpha."""
    extras = [int(extra) for extra in page.extrasamples]
    if layout.colour_axis != "S" or layout.rows_as_pages or len(extras) >= layout.channels:
        return []
    first = layout.channels - len(extras)
    return [first + i for i, kind in enumerate(extras) if kind in _ALPHAS]


def _values(
    path: Path, array: NDArray[Any], page: Any, layout: Layout, names: tuple[str, ...]
) -> tuple[NDArray[Any], tuple[str, ...], tuple[str, ...]]:
    """Samples that are no colours, the names of those that stay, and notices."""
    notices = []
    if int(page.photometric) == _MINISWHITE and array.dtype != bool:
        full = array.dtype.type(full_scale(array, page))
        array = in_bands(array, lambda part: full - part)
    elif int(page.photometric) == _MINISWHITE:
        array = ~array
    elif int(page.photometric) == _PALETTE:
        notices.append(f"{path.name}: the values are read, not the false colours of their palette")
    if alphas := _alphas(page, layout):
        kept = [i for i in range(layout.channels) if i not in alphas]
        array = array[..., kept]
        names = tuple(names[i] for i in kept) if names else ()
        notices.append(f"{path.name}: the alpha channel is dropped")
    return array, names, tuple(notices)


def _assumed(path: Path, series: Any, layout: Layout) -> tuple[str, ...]:
    """A notice where nothing says that pages are channels."""
    if "C" not in layout.axes or "C" in str(series.axes):
        return ()
    said = (
        f"{path.name}: {layout.channels} pages of which the file says nothing are read as channels; if they "
        "are planes of a stack or times, save one of them as its own file"
    )
    return (Doubt(said),)
