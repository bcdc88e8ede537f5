"""The files that a record describes, read one by one; what was changed since is left out, with a notice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.limits import MAX_PIXELS
from napari_construct.data.masks import read_mask
from napari_construct.data.tiff.read import read_stored_stack
from napari_construct.exceptions import InputError
from napari_construct.reading.foreign import path_inside
from napari_construct.reading.tiff.file import open_tiff
from napari_construct.results.described import changed, describes
from napari_construct.results.stored_cells import read_cells, read_confidences

_STACK_PIXELS: Final = 10 * MAX_PIXELS
"""Bound on the pixels of all planes of a mask: a byte each, and nothing is computed from them."""


def labels_of_mask(path: Path) -> Any:
    """(h, w) uint8, or (planes, h, w) of a stack."""
    if not path.is_file():
        raise InputError(f"{path}: expected the mask of a result, found nothing there; segment again")
    with open_tiff(path) as file:
        series = file.series[0]
        if len(series.shape) == 2:
            return read_mask(path)
        if len(series.shape) != 3 or series.dtype != np.uint8:
            raise InputError(
                f"{path}: expected a mask (h, w) or (planes, h, w) uint8, got {series.shape} {series.dtype}; "
                "segment again"
            )
    return read_stored_stack(path, max_pixels=_STACK_PIXELS)


def labels_of_cells(path: Path) -> NDArray[np.uint8]:
    """1 where there is a cell; (h, w) or (planes, h, w)."""
    return (read_cells(path) > 0).astype(np.uint8)


def maps_of(
    kind: str, path: Path, record: Mapping[str, Any], shape: tuple[int, ...]
) -> tuple[Any, tuple[str, ...]]:
    """The maps that a record describes, if it does; a notice if they were changed."""
    if kind not in record["files"]:
        return None, ()
    place = path_inside(path.parent, record["files"][kind], InputError)
    if place.exists() and not describes(record, kind, place):
        return None, (changed(place, path, "it is left out"),)
    return _maps(place, shape), ()


def cells_of(path: Path, record: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[Any, tuple[str, ...]]:
    """The numbered cells that a record describes, if it does; a notice if they were changed."""
    if "cells" not in record["files"]:
        return None, ()
    place = path_inside(path.parent, record["files"]["cells"], InputError)
    if not place.exists() or not describes(record, "cells", place):
        return None, (changed(place, path, "it is left out"),) if place.exists() else ()
    return read_cells(place, shape), ()


def confidences_of(path: Path, record: Mapping[str, Any]) -> dict[int, float]:
    """Those of the table that a record describes, if it does; without them they are not known."""
    if "table" not in record.get("files", {}):
        return {}
    place = path_inside(path.parent, record["files"]["table"], InputError)
    return read_confidences(place) if place.exists() and describes(record, "table", place) else {}


def _maps(path: Path, shape: tuple[int, ...]) -> Any:
    """float32 maps of a shape that is known before they are decoded."""
    with open_tiff(path) as file:
        series = file.series[0]
        if math.prod(series.shape) != math.prod(shape):
            raise InputError(f"{path}: expected maps of shape {shape}, got {series.shape}; segment again")
        return np.asarray(series.asarray(), dtype=np.float32).reshape(shape)
