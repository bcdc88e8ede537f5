"""Decoded tiles: a bounded store of them, and parts of a level put together from them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Final

import numpy as np

from napari_construct.types import RGBImage

CACHE_BYTES: Final = 64 * 2**20
"""Bytes of decoded tiles that an open slide keeps: a row of tiles of 256 pixels of a slide 87,000 wide."""


class TileCache:
    """Tiles that were decoded last, at most so many bytes. Threads may share it."""

    def __init__(self, most: int = CACHE_BYTES) -> None:
        self._most = most
        self._bytes = 0
        self._tiles: OrderedDict[Hashable, RGBImage] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, decode: Callable[[], RGBImage]) -> RGBImage:
        """The tile of a key, decoded where it is not here; to be read only.

        Two threads that miss a tile at once both decode it: to wait for each other costs more.
        """
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
                return self._tiles[key]
        tile = decode()
        with self._lock:
            if key not in self._tiles and tile.nbytes <= self._most:
                self._tiles[key] = tile
                self._bytes += tile.nbytes
                while self._bytes > self._most:
                    self._bytes -= self._tiles.popitem(last=False)[1].nbytes
        return tile

    @property
    def nbytes(self) -> int:
        """Bytes of the tiles that are kept."""
        return self._bytes


def assembled(
    tile_at: Callable[[int, int], RGBImage],
    tile: tuple[int, int],
    top: int,
    left: int,
    height: int,
    width: int,
) -> RGBImage:
    """A part of a level.

    Parameters
    ----------
    tile_at : callable
        The tile of a row and a column of the grid; those at the border may be cut.
    tile : tuple of int
        Rows and columns of a tile.
    top, left, height, width : int
        The part, inside of the level.
    """
    out: RGBImage = np.empty((height, width, 3), np.uint8)
    for row in range(top // tile[0], -(-(top + height) // tile[0])):
        for column in range(left // tile[1], -(-(left + width) // tile[1])):
            y, x = row * tile[0], column * tile[1]
            rows = slice(max(y, top), min(y + tile[0], top + height))
            cols = slice(max(x, left), min(x + tile[1], left + width))
            out[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left] = tile_at(
                row, column
            )[rows.start - y : rows.stop - y, cols.start - x : cols.stop - x]
    return out
