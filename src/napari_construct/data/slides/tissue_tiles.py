"""What a tissue mask says of a slide: which tiles hold tissue, and how much tissue there is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_construct.types import BoolMask

DEFAULT_MIN_SHARE = 0.01
"""Of a tile; 2600 of the 262144 pixels of 512 x 512."""

MOST_TILES = 10_000_000
"""Tiles of a grid; a slide of 200,000 x 200,000 pixels has as many of 64."""


class TissueTile(NamedTuple):
    """Pixels of the slide's full resolution, and the share of them that is tissue."""

    top: int
    left: int
    height: int
    width: int
    share: float


@dataclass(frozen=True)
class TissueCoverage:
    """How much tissue a slide holds.

    Parameters
    ----------
    tissue_mm2, slide_mm2 : float
        Areas of the tissue and of all that the mask shows.
    share : float
        Of the first in the second, 0 to 1.
    """

    tissue_mm2: float
    slide_mm2: float
    share: float


def tissue_tiles(
    mask: BoolMask, shape: tuple[int, int], *, tile: int, min_share: float = DEFAULT_MIN_SHARE
) -> list[TissueTile]:
    """The tiles of a grid that hold tissue, row by row.

    Parameters
    ----------
    mask : ndarray
        (h, w) bool, tissue on all of the slide.
    shape : tuple of int
        Rows and columns of the slide at full resolution. The grid begins at its corner; the last tiles of a
        row and a column end with the slide.
    tile : int
        Pixels of a side at full resolution.
    min_share : float
        Share of a tile, 0 to 1, that is tissue in those that are wanted; 0 takes every tile with any.

    Returns
    -------
    list of TissueTile
        Their shares are exact: a pixel of the mask counts in each tile by its part in it.

    Raises
    ------
    ValueError
        If mask, shape, tile or share is impossible, or there were more than ten million tiles.
    """
    _check_mask(mask)
    rows, columns = shape
    if rows < 1 or columns < 1 or tile < 1:
        raise ValueError(
            f"expected a slide and tiles of at least a pixel, got {rows} x {columns}, tile {tile}"
        )
    if not 0 <= min_share <= 1:
        raise ValueError(f"min_share: expected a share of a tile from 0 to 1, got {min_share!r}")
    count = math.ceil(rows / tile) * math.ceil(columns / tile)
    if count > MOST_TILES:
        raise ValueError(f"tile: expected at most {MOST_TILES} tiles, got {count}; take larger tiles")
    tops, lefts = (np.append(np.arange(0, side, tile), side) for side in (rows, columns))
    heights, widths = np.diff(tops), np.diff(lefts)
    scale = rows / mask.shape[0] * (columns / mask.shape[1])
    below = _summed(mask, tops * (mask.shape[0] / rows), lefts * (mask.shape[1] / columns))
    tissue = np.diff(np.diff(below, axis=0), axis=1) * scale
    shares = np.clip(tissue / np.outer(heights, widths), 0, 1)
    wanted = shares >= min_share if min_share else tissue >= 0.5  # half a pixel: rounding is far below
    return [
        TissueTile(int(tops[i]), int(lefts[j]), int(heights[i]), int(widths[j]), float(shares[i, j]))
        for i, j in zip(*np.nonzero(wanted), strict=True)
    ]


def tissue_coverage(
    mask: BoolMask, shape: tuple[int, int], *, mpp: float | tuple[float, float]
) -> TissueCoverage:
    """Area and share of the tissue of a slide.

    Parameters
    ----------
    mask : ndarray
        (h, w) bool, tissue on all of the slide.
    shape : tuple of int
        Rows and columns of the slide at full resolution.
    mpp : float or tuple of float
        Micrometres per pixel at full resolution; of rows and of columns, where they differ.

    Raises
    ------
    ValueError
        If the mask is none, or mpp is not positive.
    """
    _check_mask(mask)
    down, across = mpp if isinstance(mpp, tuple) else (mpp, mpp)
    if not (math.isfinite(down * across) and down > 0 and across > 0):
        raise ValueError(f"mpp: expected micrometres per pixel, over 0, got {mpp!r}")
    slide = shape[0] * down * (shape[1] * across) / 1e6
    share = float(mask.mean())
    return TissueCoverage(tissue_mm2=share * slide, slide_mm2=slide, share=share)


def _summed(
    mask: BoolMask, rows: npt.NDArray[np.float64], columns: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Mask pixels above and left of each crossing, in parts: between pixels, the sums are bilinear."""
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
    sums[1:, 1:] = mask.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    return _between(_between(sums, rows).T, columns).T


def _between(values: npt.NDArray[np.float64], at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low = np.minimum(at.astype(np.intp), len(values) - 2)
    part = (at - low)[:, None]
    found: npt.NDArray[np.float64] = values[low] * (1 - part) + values[low + 1] * part
    return found


def _check_mask(mask: BoolMask) -> None:
    shape, dtype = getattr(mask, "shape", None), getattr(mask, "dtype", None)
    if shape is None or len(shape) != 2 or dtype != np.bool_ or not mask.size:
        raise ValueError(f"expected a tissue mask of (h, w) bool, got {shape} {dtype}; see find_tissue")
