"""Rows of cells as compiled kernels take them: splat and blur.

What can be is made once for a band: between two kernels only one thread may run Python, whose own data have
left the processor's cache.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_construct.crf.base.numba_gate import Flat, flat, rounded
from napari_construct.crf.lowrank import splines
from napari_construct.crf.lowrank.grid import Grid

KEPT_BYTES = 1 << 26


class Rooms:
    """Rooms for intermediate products that are free, up to 64 MiB of them kept for the next refinement.

    Memory that is new has to be brought in page by page, which costs about as much as what is written to it.
    """

    def __init__(self) -> None:
        self.free: defaultdict[int, list[Flat]] = defaultdict(list)
        self.bytes, self.lock = 0, Lock()

    def take(self, size: int) -> Flat:
        """Room for so many numbers, of any value."""
        with self.lock:
            if self.free[size]:
                self.bytes -= 4 * size
                return self.free[size].pop()
        return np.empty(size, np.float32)

    def give(self, *rooms: Flat) -> None:
        """Give rooms back that :meth:`take` made."""
        with self.lock:
            for room in rooms:
                if self.bytes + room.nbytes <= KEPT_BYTES:
                    self.bytes += room.nbytes
                    self.free[room.size].append(room)


class CompiledBand:
    """Rows of cells of one image.

    Everything is computed in float32; only the features are what the lattice keeps.

    Parameters
    ----------
    grid : Grid
        All cells, of linear splines.
    index : int
        Which of the grid's strips.
    rooms : Rooms
        Where intermediate products go.
    """

    def __init__(self, grid: Grid, index: int, rooms: Rooms) -> None:
        self.rows = rows = grid.strips[index]
        self.top, self.rooms = grid.pixels(rows).start, rooms
        self.y, self.nx, self.s, self.r = rows.stop - rows.start, grid.nx, grid.s, grid.rank + 1
        self.features, self.residual = flat(grid.features[:, rows]), flat(grid.residual[:, rows])
        self.splines = _cell_splines(grid.s)
        nodes = rows.start, rows.stop + 1
        source, wy, *ends = _sources(grid.appearance_blur.y, nodes, grid.node_rows)
        smooth_source, sy, *_ = _sources(grid.smoothness_blur.y, nodes, grid.node_rows)
        self.own, self.sources, self.along_y = grid.own(index), (source, smooth_source), (wy, *ends, sy)
        self.along_x = _along_x(grid.appearance_blur.x, grid.smoothness_blur.x)

    def sizes(self, k: int) -> tuple[int, int, int, int, int]:
        """Sizes that kernels of k planes take last."""
        return self.y, self.nx, self.s, k, self.r

    def sends(self, nodes: Flat, k: int) -> tuple[Flat, ...]:
        """What kernels that splat take to send what they summed to the band's own rows of the nodes."""
        return self._part(nodes, self.own, k), *self.along_x

    def blurs(self, nodes: Flat, k: int, weights: tuple[float, float]) -> tuple[Any, ...]:
        """What kernels that blur take after the room for it: both kernels times ``weights``."""
        smooth, appearance = (np.float32(weight) for weight in weights)
        parts = (self._part(nodes, rows, k) for rows in self.sources)
        return *parts, *self.along_y, smooth, appearance, self.nx + 1, k, self.r

    def room(self, k: int) -> Flat:
        """Room for the nodes that the band sees when they are blurred, and to blur them."""
        smooth, mx = self.sources[1], self.nx + 1
        column = (smooth.stop - smooth.start + self.y + 1) * rounded(k * mx)
        return self.rooms.take((self.y + 1) * mx * k * self.r + column)

    def _part(self, nodes: Flat, rows: slice, k: int) -> Flat:
        """Rows of the nodes of all bands."""
        line = (self.nx + 1) * k * self.r
        return nodes[rows.start * line : rows.stop * line]


@lru_cache(maxsize=16)
def _along_x(appearance: splines.AxisBlur, smoothness: splines.AxisBlur) -> tuple[Flat, ...]:
    """What kernels take to blur a row of nodes, the same in all bands.

    The appearance kernel's weights (mx, mx) as a band of it, with the first and the end of every row, and the
    smoothness kernel's (mx, mx up to eight).
    """
    m = len(appearance.kernel)
    _, *band = _sources(appearance, (0, m), tuple(range(m)))
    smooth = np.zeros((m, rounded(m)), np.float32)
    smooth[:, :m] = smoothness.kernel.numpy()
    return *band, smooth.reshape(-1)


@lru_cache(maxsize=16)
def _cell_splines(s: int) -> Flat:
    """Values of the two splines at the s pixels of a cell's side."""
    return splines.cell_weights(s, 1).T.astype(np.float32).reshape(-1)


@lru_cache(maxsize=256)
def _sources(
    axis: splines.AxisBlur, own: tuple[int, int], every: tuple[int, ...]
) -> tuple[slice, Flat, npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """What the blurred nodes from ``own[0]`` to ``own[1]`` are made of.

    ``every`` are the nodes of all rows of an array (bands have rows of their own for shared nodes), rising.
    Returned are the rows needed, the weights (nodes, rows) of the kernel's band, and for every node the
    first of these rows and the one after the last.
    """
    nodes, given = np.arange(*own), np.array(every)
    first = np.searchsorted(given, nodes - axis.wide)
    end = np.searchsorted(given, nodes + axis.wide, side="right")
    rows = slice(int(first[0]), int(end[-1]))
    matrix = axis.kernel.numpy()[nodes][:, given[rows]]
    matrix[np.abs(nodes[:, None] - given[rows]) > axis.wide] = 0
    return rows, matrix.reshape(-1), first - rows.start, end - rows.start
