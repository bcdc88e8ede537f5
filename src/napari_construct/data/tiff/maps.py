"""All values of a TIFF at every pixel, exactly as stored: maps of probabilities, of any number of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.limits import MAX_CHANNELS, check_size
from napari_construct.data.orientation import TAG, orientation_of
from napari_construct.data.tiff.checks import check_bytes
from napari_construct.data.tiff.choice import Chosen, open_image
from napari_construct.data.tiff.layout import channel_layout_of, check_channel_axes
from napari_construct.data.tiff.pixels import decode
from napari_construct.exceptions import InputError


def read_tiff_maps(path: Path, *, max_pixels: int) -> NDArray[Any]:
    """Samples of all channels of the largest image, without any meaning as colours.

    Channels are the samples of a pixel, an axis that the file calls so, pages of which nothing is said, or
    floating images of one size of which each is a page.

    Parameters
    ----------
    path : Path
        The file.
    max_pixels : int
        More pixels, or more than 8 bytes for each of so many, are refused before anything is decoded.

    Returns
    -------
    ndarray
        (h, w) or (h, w, c).

    Raises
    ------
    InputError
        If the file is damaged, not supported, too large, or a stack (z or times).
    """
    with open_image(path) as (tif, chosen):
        every = _alike(path, tif, chosen)
        arrays = []
        for series in every:
            layout = channel_layout_of(series)
            check_channel_axes(path, layout, str(series.axes))
            check_size(path, layout.height, layout.width, max_pixels, 1)
            check_bytes(path, layout, layout.height, layout.width, series.dtype, max_pixels // len(every))
            part = slice(0, layout.height), slice(0, layout.width)
            array, _ = decode(path, series, layout, 0, part, max_pixels)
            arrays.append(orientation_of(series.keyframe.tags.valueof(TAG)).show(array))
        return np.ascontiguousarray(arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=-1))


def _alike(path: Path, tif: Any, chosen: Chosen) -> list[Any]:
    """The image, or all of its kind where each is a page of probabilities."""
    first = chosen.series
    if len(first.pages) > 1 or channel_layout_of(first).channels > 1:
        return [first]
    if first.dtype.kind != "f":  # two masks in a file are two masks
        return [first]
    found = [one for one in tif.series if one.shape == first.shape and one.dtype == first.dtype]
    if len(found) > MAX_CHANNELS:
        raise InputError(
            f"{path}: expected at most {MAX_CHANNELS} channels, got {len(found)} images of one size; save "
            " fewer channels"
        )
    return found
