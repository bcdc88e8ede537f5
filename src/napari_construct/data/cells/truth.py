"""Masks of cells as they are stored, as one number per cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from napari_construct.data.limits import MAX_PIXELS
from napari_construct.data.masks import read_values
from napari_construct.exceptions import InputError
from napari_construct.types import PathLike

_MOST: Final = int(np.iinfo(np.int32).max)


class Truth(NamedTuple):
    """Cells of an image.

    Attributes
    ----------
    instances : ndarray
        (h, w) int32: 0 is background, every cell has a number of its own.
    split : bool
        Whether the mask said only where cells are, and connected parts of it were taken for cells.
    """

    instances: NDArray[np.int32]
    split: bool


def read_truth(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> Truth:
    """Cells of a mask file (PNG, TIFF), see :func:`instances_of`.

    Raises
    ------
    InputError
        If the file is no mask, or as of :func:`instances_of`.
    """
    return instances_of(read_values(path, max_pixels=max_pixels), str(Path(path)))


def instances_of(values: NDArray[Any], name: str, *, numbered: bool = False) -> Truth:
    """Cells of a mask.

    Parameters
    ----------
    values : ndarray
        (h, w): numbers of cells, or a mask of 0 and 1, or of 0 and 255, of which each connected part (also
        over corners) becomes a cell.
    name : str
        What errors call the mask.
    numbered : bool
        Whether values are known to be numbers of cells, also where they are 0 and 1 only.

    Raises
    ------
    InputError
        If values are negative, no whole numbers, or the array is not (h, w).
    """
    if values.ndim != 2:
        raise InputError(f"{name}: expected a mask (h, w), got shape {values.shape}; save one number a pixel")
    whole = _whole(values, name)
    if not whole.size:
        return Truth(whole.astype(np.int32), split=False)
    low, high = int(whole.min()), int(whole.max())
    if low < 0 or high > _MOST:
        raise InputError(
            f"{name}: expected numbers of cells from 0 to {_MOST:,}, got {low} to {high}; number the cells "
            "from 1 and the background 0"
        )
    if not numbered and high in (1, 255) and np.isin(whole, (0, high)).all():
        parts, count = label(whole > 0, connectivity=2, return_num=True)  # type: ignore[no-untyped-call]
        return Truth(parts.astype(np.int32), split=count > 1)
    return Truth(np.ascontiguousarray(whole, dtype=np.int32), split=False)


def _whole(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Integers, also of floats that hold whole numbers."""
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values == np.rint(values)).all():
        if values.size and float(np.abs(values).max()) > _MOST:
            raise InputError(
                f"{name}: expected numbers of cells up to {_MOST:,}, got {float(np.abs(values).max()):.4g}; "
                "number the cells from 1"
            )
        return values.astype(np.int64)
    if values.dtype.kind not in "iu":
        raise InputError(
            f"{name}: expected whole numbers of cells, got {values.dtype} values; save the labels as integers"
        )
    return values
