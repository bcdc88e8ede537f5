"""Slides of more than 100 megapixels that take milliseconds to write: tiles are encoded once and repeated."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

TILE = 512


def write_large_slide(
    path: Path,
    tissue: NDArray[np.uint8],
    *,
    side: int = 20 * TILE,
    at: tuple[int, int] = (2, 3),
    mpp: float | None = 0.25,
    levels: int = 2,
    first: NDArray[np.uint8] | None = None,
) -> Path:
    """A tiled pyramid of glass with two by two tiles of tissue.

    Parameters
    ----------
    path : Path
        File to write.
    tissue : ndarray
        Repeated to a tile of 512 x 512.
    side : int
        Of level 0, in pixels; a multiple of a tile.
    at : tuple of int
        Row and column of the first tile with tissue.
    mpp : float or None
        Micrometres per pixel; None states nothing.
    levels : int
        The second is an eighth of the first.
    first : ndarray, optional
        A picture of the label, written before the scan.
    """
    repeats = -(-TILE // tissue.shape[0]), -(-TILE // tissue.shape[1]), 1
    filled = np.tile(tissue, repeats)[:TILE, :TILE]
    glass = np.full((TILE, TILE, 3), 245, np.uint8)
    scale: dict[str, Any] = {}
    if mpp is not None:
        scale = {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    options: dict[str, Any] = {"photometric": "rgb", "compression": "zlib", "metadata": None}

    def tiles() -> Iterator[bytes]:
        count = side // TILE
        encoded = [zlib.compress(tile.tobytes(), 1) for tile in (glass, filled)]
        for number in range(count**2):
            row, column = divmod(number, count)
            yield encoded[0 <= row - at[0] < 2 and 0 <= column - at[1] < 2]

    with tifffile.TiffWriter(path, bigtiff=True) as file:
        if first is not None:
            file.write(first, description="Label_Image", photometric="rgb", metadata=None)
        file.write(tiles(), shape=(side, side, 3), dtype=np.uint8, tile=(TILE, TILE), **options, **scale)
        if levels > 1:
            small = np.full((side // 8, side // 8, 3), 245, np.uint8)
            part = TILE // 8
            rows, columns = at[0] * part, at[1] * part
            mean = filled.reshape(part, 8, part, 8, 3).mean((1, 3)).astype(np.uint8)
            small[rows : rows + 2 * part, columns : columns + 2 * part] = np.tile(mean, (2, 2, 1))
            file.write(small, tile=(256, 256), subfiletype=1, **options)
    return path
