"""Tiles of one level of an OME-Zarr, a chunk each, looked at before the library decodes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.limits import MAX_PIXELS
from napari_construct.data.rgb import on_white
from napari_construct.data.slides.depth import to_8_bit
from napari_construct.data.zarr_chunks import (
    Part,
    check_of,
    check_shapes,
    limit_of,
    parts_of_shard,
)
from napari_construct.data.zarr_multiscale import SMALL_CHUNK
from napari_construct.exceptions import InputError
from napari_construct.reading.places import is_file, size_of
from napari_construct.reading.regular import open_regular
from napari_construct.types import RGBImage


class ZarrTiles:
    """One level of an OME-Zarr image.

    Parameters
    ----------
    path : Path
        The slide, for errors.
    folder : Path
        Where the chunks of the level lie.
    array : zarr.Array
        Opened.
    axes : str
        A letter for each axis, as of :class:`~napari_construct.data.zarr_multiscale.Multiscale`.

    Attributes
    ----------
    shape, tile, grid : tuple of int
        Rows and columns of the level, of a chunk, and of chunks.
    channels : int
        1, 3 or 4.
    bits : int
        How many bits of 16-bit samples are used; to be set before tiles of such a level are read.

    Raises
    ------
    InputError
        If it is a stack, no picture in colour or grey, or of other numbers than 8 or 16 bits.
    ValueError
        If it is damaged.
    """

    def __init__(self, path: Path, folder: Path, array: Any, axes: str) -> None:
        self._path, self._folder, self._array, self._axes = path, folder, array, axes
        sizes = dict(zip(axes, array.shape, strict=True))
        chunks = dict(zip(axes, array.chunks, strict=True))
        _check(path, array, axes, sizes)
        check_shapes(array, max(8 * MAX_PIXELS, SMALL_CHUNK))
        self._check = check_of(array)
        self.dtype = np.dtype(array.dtype)
        self.channels = sizes.get("c", 1)
        self.shape = (sizes["y"], sizes["x"])
        self.tile = (chunks["y"], chunks["x"])
        self.grid = (-(-sizes["y"] // chunks["y"]), -(-sizes["x"] // chunks["x"]))
        self._layers = -(-self.channels // chunks.get("c", 1))
        self.bits = 16

    def at(self, row: int, column: int) -> RGBImage:
        """The tile of a row and a column of the grid; cut at the border of the level."""
        array = self.stored(row, column)
        if array.dtype == np.uint16:
            array = to_8_bit(array, self.bits)
        if array.ndim == 3 and array.shape[2] == 4:
            array = on_white(array[..., :3], array[..., 3])
        if array.ndim == 2 or array.shape[2] == 1:
            array = np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
        return np.ascontiguousarray(array)

    def brightest(self, row: int, column: int) -> int:
        """The largest sample of a tile."""
        return int(self.stored(row, column).max(initial=0))

    def stored(self, row: int, column: int) -> NDArray[Any]:
        """(h, w) or (h, w, c) samples of a tile, checked before they are decoded."""
        for layer in range(self._layers):
            self._check_chunk(tuple({"y": row, "x": column, "c": layer}.get(a, 0) for a in self._axes))
        rows = slice(row * self.tile[0], min((row + 1) * self.tile[0], self.shape[0]))
        columns = slice(column * self.tile[1], min((column + 1) * self.tile[1], self.shape[1]))
        part: dict[str, Any] = {"y": rows, "x": columns, "c": slice(None)}
        pixels = np.asarray(self._array[tuple(part.get(a, 0) for a in self._axes)])
        kept = [a for a in self._axes if a in part]
        return pixels.transpose([kept.index(a) for a in "yx" + ("c" if "c" in kept else "")])

    def _check_chunk(self, place: tuple[int, ...]) -> None:
        """Refuse a chunk that is no file, or becomes larger than a chunk may (ValueError, OSError)."""
        array, shape = self._array, self._array.chunks
        ratio = [1] * len(place)
        if array.shards is not None:
            ratio = [s // c for s, c in zip(array.shards, shape, strict=True)]
            shape = array.shards
        outer = tuple(p // r for p, r in zip(place, ratio, strict=True))
        file = self._folder / array.metadata.encode_chunk_key(outer)
        if not is_file(file) and not file.exists():
            return  # of what is left out, the fill value is read
        limit = limit_of(array, shape)
        if (size := size_of(file)) > limit:
            raise ValueError(f"a chunk of {size:,} bytes")
        with open_regular(file, "a file of pixels") as stream:
            if self._check is None:
                return
            part: Part | None = Part(stream.fileno(), 0, size)
            if part is not None and array.shards is not None:
                inner = np.ravel_multi_index([p % r for p, r in zip(place, ratio, strict=True)], ratio)
                part, limit = parts_of_shard(part, array)[int(inner)], limit_of(array, array.chunks)
            if part is not None:
                self._check(part, limit)


def _check(path: Path, array: Any, axes: str, sizes: dict[str, int]) -> None:
    planes = [a for a in axes if a not in "cyx" and sizes[a] != 1]
    if planes or "?" in axes:
        raise InputError(
            f"{path}: expected a slide of one plane (rows, columns and colour), got axes {axes} of shape "
            f"{array.shape}; save one plane as its own image"
        )
    channels = sizes.get("c", 1)
    if channels not in (1, 3) and not (channels == 4 and axes[-1] == "c"):
        raise InputError(
            f"{path}: expected a slide of 1 channel, or of red, green and blue, got {channels} channels; "
            "save one channel, or three as RGB"
        )
    if array.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"{path}: expected a slide of 8 or 16 bits a channel, got {array.dtype}; save it as 8-bit RGB"
        )
