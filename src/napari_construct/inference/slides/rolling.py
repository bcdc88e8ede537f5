"""Tiles of a tall image blended row by row of tiles, in memory of one such row."""

from __future__ import annotations

import numpy as np

from napari_construct.inference.activation.tiling import Stitcher, Tile, TilePlan
from napari_construct.types import FloatArray


def tile_rows(plan: TilePlan) -> list[tuple[Tile, ...]]:
    """Tiles of a plan in rows, from the top."""
    found: dict[int, list[Tile]] = {}
    for tile in plan:
        found.setdefault(tile.y, []).append(tile)
    return [tuple(found[y]) for y in sorted(found)]


class RollingStitcher(Stitcher):
    """As :class:`Stitcher`, for tiles that come in rows: what no later tile changes is handed out.

    Parameters
    ----------
    plan : TilePlan
        Plan of all tiles.
    channels : int
        Channels of the maps.
    stride : int
        Pixels per cell of the maps.
    first : int
        Row of cells at which the first tiles start.
    """

    def __init__(self, plan: TilePlan, channels: int, stride: int, first: int = 0) -> None:
        super().__init__(plan, channels, stride, plan.tiles[0].height)
        self.first = first

    def _cells(self, tile: Tile) -> tuple[slice, slice]:
        rows, columns = super()._cells(tile)
        return slice(rows.start - self.first, rows.stop - self.first), columns

    def finished(self, before: int) -> FloatArray:
        """(c, rows, columns) of the cells from :attr:`first` to row ``before``, which are then forgotten.

        Cells that no tile covered are 0.
        """
        count = before - self.first
        weight = self._weight[:count]
        mean = np.divide(
            self._total[:, :count], weight, out=np.zeros_like(self._total[:, :count]), where=weight > 0
        )
        self._total = _moved_up(self._total, count)
        self._weight = _moved_up(self._weight[None], count)[0]
        self.first = before
        columns = -(-self._plan.shape[1] // self.stride)
        return mean[:, :, :columns]


def _moved_up(maps: FloatArray, by: int) -> FloatArray:
    moved = np.zeros_like(maps)
    moved[:, : maps.shape[1] - by] = maps[:, by:]
    return moved
