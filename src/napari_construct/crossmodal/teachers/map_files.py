"""Read a probability map or a mask that another tool wrote, with its exact values."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.formats import image_format
from napari_construct.data.limits import MAX_CHANNELS, MAX_PIXELS
from napari_construct.data.pictures.read import read_indices
from napari_construct.data.tiff.maps import read_tiff_maps
from napari_construct.exceptions import InputError
from napari_construct.reading.regular import open_regular

NUMPY: Final = ".npy"

_NUMBERS: Final = "biuf"
_HEADERS: Final = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_MOST_VALUES: Final = 8
_DAMAGE: Final = (ValueError, OSError, TypeError, EOFError, MemoryError, OverflowError)


def read_map(path: Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Values of a TIFF, PNG or .npy file.

    Parameters
    ----------
    path : Path
        The file. A .npy file is read without pickles.
    max_pixels : int
        More pixels a channel are refused before memory is taken.

    Returns
    -------
    ndarray
        (h, w), or with a third axis of channels, which is the first or the last one.

    Raises
    ------
    InputError
        If it is missing, damaged, too large, of a format without exact values, or no array of two or three
        axes.
    """
    if path.suffix.lower() == NUMPY:
        return _read_numpy(path, max_pixels)
    kind = image_format(path)
    if kind == "tiff":
        return read_tiff_maps(path, max_pixels=max_pixels)
    if kind != "png":
        raise InputError(
            f"{path}: expected a map with exact values (TIFF, PNG or .npy), got a {kind}; save it as TIFF"
        )
    with open_regular(path) as stream:
        return read_indices(path, stream, max_pixels)


def _read_numpy(path: Path, max_pixels: int) -> NDArray[Any]:
    with open_regular(path, "a .npy file") as stream:
        try:
            shape, dtype = _header(stream)
        except _DAMAGE as error:
            raise _damaged(path, error) from error
        _check(path, shape, dtype, max_pixels)
        if os.fstat(stream.fileno()).st_size - stream.tell() < math.prod(shape) * dtype.itemsize:
            raise _damaged(path, "it ends early")
        stream.seek(0)
        try:
            found: NDArray[Any] = np.load(stream, allow_pickle=False)
        except _DAMAGE as error:
            raise _damaged(path, error) from error
    return found


def _header(stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version}")
    shape, _, dtype = _HEADERS[version](stream)
    return shape, dtype


def _check(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], max_pixels: int) -> None:
    """Refuse what is no map, before memory is taken for it."""
    if dtype.kind not in _NUMBERS:
        raise InputError(
            f"{path}: expected an array of numbers, got Python objects (a _seg.npy of Cellpose is such a "
            "file), which are not loaded, for they may run code; save the masks alone, as TIFF or by np.save"
        )
    if not 2 <= len(shape) <= 3 or min(shape) < 1:
        raise InputError(
            f"{path}: expected rows and columns, perhaps with channels, got the shape {shape}; save one "
            "array an image"
        )
    channels = min(shape) if len(shape) == 3 else 1
    size = math.prod(shape)
    if size // channels > max_pixels or channels > MAX_CHANNELS or size > _MOST_VALUES * max_pixels:
        raise InputError(
            f"{path}: expected at most {max_pixels:,} pixels and {MAX_CHANNELS} channels, and {_MOST_VALUES} "
            f"values for each of so many pixels, got the shape {shape}; save parts of it"
        )


def _damaged(path: Path, reason: object) -> InputError:
    return InputError(
        f"{path}: expected an array of numbers as np.save writes it, got a damaged file ({reason}); save it "
        "again"
    )
