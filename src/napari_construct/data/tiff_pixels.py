"""Stored samples of one plane of a TIFF, or of a region of it: only what is asked for is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import zarr
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from napari_construct.data.limits import damaged, unsupported
from napari_construct.data.tiff_checks import check_decodable, check_segments
from napari_construct.data.tiff_layout import Layout

_YCBCR: Final = 6
_JPEGS: Final = frozenset({6, 7, 34892, 33007})


def decode(
    path: Path,
    series: Any,
    layout: Layout,
    plane: int,
    part: tuple[slice, slice],
    max_pixels: int,
) -> tuple[NDArray[Any], tuple[str, ...], bool]:
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
    rgb : bool
        Whether the library has turned the samples into RGB already.

    Raises
    ------
    InputError
        If the file cannot be decoded, or is damaged.
    """
    page = series.keyframe
    size = page.parent.filehandle.size
    if page.is_subsampled and int(page.photometric) == _YCBCR and int(page.compression) not in _JPEGS:
        notice = f"{path.name}: converted from YCbCr with fewer colour samples to RGB"
        return _with_pillow(path, series, layout, plane, part), (notice,), True
    check_decodable(path, page)
    whole = slice(0, page.imagelength), slice(0, page.imagewidth)
    shown = whole if layout.rows_as_pages else part
    notices: list[str] = []
    for stored in _pages_of(path, series, layout, plane):
        notices += check_segments(path, stored, size, max_pixels, *shown)
    if series.dataoffset is not None and series.dataoffset + series.nbytes > size:
        raise damaged(path, "it ends before its last plane")
    everything = part == (slice(0, layout.height), slice(0, layout.width))
    if not layout.planes and (everything or layout.rows_as_pages):
        array = _selected(series.asarray(), layout, 0, part)
    elif not layout.planes and page.is_memmappable and len(series.pages) == 1 and not layout.rows_as_pages:
        array = _rows_of_file(page, layout, part)
    else:
        with series.aszarr(level=0) as store:
            array = _selected(zarr.open(store, mode="r"), layout, plane, part)
    return array, tuple(dict.fromkeys(notices)), False


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


def _with_pillow(
    path: Path, series: Any, layout: Layout, plane: int, part: tuple[slice, slice]
) -> NDArray[np.uint8]:
    """RGB of a page of subsampled YCbCr, which libtiff reads."""
    stored = _pages_of(path, series, layout, plane)
    stream = series.parent.filehandle
    if len(stored) != 1 or not isinstance(stored[0].index, int):
        raise unsupported(path, "YCbCr with fewer colour samples in several pages", "save it as RGB")
    check_segments(path, stored[0], stream.size, layout.height * layout.width, *part)
    stream.seek(0)
    try:
        image: Any = TiffImagePlugin.TiffImageFile(_Reader(stream))
        image.seek(stored[0].index)
        rgb = np.asarray(image.convert("RGB"))
    except (NotImplementedError, SyntaxError) as error:
        raise unsupported(path, f"YCbCr with fewer colour samples ({error})", "save it as RGB") from error
    if rgb.shape[:2] != (layout.height, layout.width):
        raise unsupported(path, "YCbCr with fewer colour samples in this packing", "save it as RGB")
    return rgb[part]


class _Reader:
    """A tifffile.FileHandle as a stream for Pillow."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def read(self, size: int = -1) -> bytes:
        found: bytes = self._handle.read(size)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._handle.seek(offset, whence))

    def tell(self) -> int:
        return int(self._handle.tell())
