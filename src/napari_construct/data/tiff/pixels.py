"""Stored samples of one plane of a TIFF, or of a region of it: only what is asked for is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_construct.data.limits import damaged
from napari_construct.data.tiff.checks import check_decodable, check_segments, has_plain_rows
from napari_construct.data.tiff.layout import Layout
from napari_construct.data.tiff.subsampled import is_subsampled, unpack


def decode(
    path: Path,
    series: Any,
    layout: Layout,
    plane: int,
    part: tuple[slice, slice],
    max_pixels: int,
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Samples of a plane.

    Parameters
    ----------
    path : Path
        The file, for errors and notices.
    series, layout
        The image and its axes.
    plane : int
        Which plane, from 0.
    part : tuple of slice
        Rows and columns that are wanted, inside the image.
    max_pixels : int
        Pixels that one strip or tile may have.

    Returns
    -------
    array : ndarray
        (h, w) or (h, w, c) in the type of the file.
    notices : tuple of str
        What is missing.

    Raises
    ------
    InputError
        If the file cannot be decoded, or is damaged.
    """
    page = series.keyframe
    size = page.parent.filehandle.size
    packed = is_subsampled(page)
    if not packed:
        check_decodable(path, page)
    whole = slice(0, page.imagelength), slice(0, page.imagewidth)
    shown = whole if layout.rows_as_pages else part
    notices: list[str] = []
    pages = _pages_of(path, series, layout, plane)
    for stored in pages:
        notices += check_segments(path, stored, size, max_pixels, *shown)
    if packed and len(pages) == 1:
        return unpack(path, pages[0], part), tuple(notices)
    if series.dataoffset is not None and series.dataoffset + series.nbytes > size:
        raise damaged(path, "it ends before its last plane")
    everything = part == (slice(0, layout.height), slice(0, layout.width))
    if not layout.planes and (everything or layout.rows_as_pages):
        array = _selected(series.asarray(), layout, 0, part)
    elif not layout.planes and has_plain_rows(page) and len(series.pages) == 1 and not layout.rows_as_pages:
        array = _rows_of_file(page, layout, part)
    else:
        with series.aszarr(level=0) as store:
            array = _selected(zarr.open(store, mode="r"), layout, plane, part)
    return array, tuple(dict.fromkeys(notices))


def _selected(stored: Any, layout: Layout, plane: int, part: tuple[slice, slice]) -> NDArray[Any]:
    """(h, w) or (h, w, c) of an array with the axes of the layout."""
    if stored.shape != layout.shape:
        stored = np.asarray(stored).reshape(layout.shape)
    position = iter(np.unravel_index(plane, layout.planes) if layout.planes else ())
    rows, columns = part
    key: list[Any] = []
    left = ""
    for axis, length in zip(layout.axes, layout.shape, strict=True):
        if axis in "YX":
            key.append(rows if axis == "Y" else columns)
        elif axis == layout.colour_axis:
            key.append(slice(None))
        else:
            key.append(0 if length == 1 else int(next(position)))
        left += axis if isinstance(key[-1], slice) else ""
    array = np.asarray(stored[tuple(key)])
    return array.transpose([left.index(axis) for axis in "YX" + layout.colour_axis])


def _rows_of_file(page: Any, layout: Layout, part: tuple[slice, slice]) -> NDArray[Any]:
    """A part of an uncompressed page, whose strips follow each other: only its rows are read."""
    rows, columns = part
    dtype = np.dtype(page.parent.byteorder + page.dtype.char)
    stream, start = page.parent.filehandle, page.dataoffsets[0]
    shape = tuple(n for n in page.shape)
    planes = 1 if shape[-2:] != (page.imagelength, page.imagewidth) or len(shape) == 2 else shape[0]
    samples = layout.channels // planes
    row_bytes = page.imagewidth * samples * dtype.itemsize
    found = []
    for index in range(planes):
        stream.seek(start + (index * page.imagelength + rows.start) * row_bytes)
        raw = stream.read((rows.stop - rows.start) * row_bytes)
        found.append(np.frombuffer(raw, dtype).reshape(-1, page.imagewidth, samples)[:, columns])
    array = np.concatenate(found, axis=2).astype(page.dtype)
    return array if layout.colour_axis else array[..., 0]


def _pages_of(path: Path, series: Any, layout: Layout, plane: int) -> list[Any]:
    """The pages whose segments are read for a plane; all of them where their order is not plain."""
    count = int(np.prod(layout.planes, dtype=object)) if layout.planes else 1
    pages = list(series.pages)
    if len(pages) == count:
        pages = [pages[plane]]
    if any(page is None for page in pages):
        raise damaged(path, "a plane that its description names is missing")
    return pages
