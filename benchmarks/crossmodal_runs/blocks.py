"""One picture as a set of blocks that do not overlap."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.cells.dataset import CellItem
from napari_construct.data.channels.image import ChannelImage


class Blocks:
    """A grid of blocks of one picture; a :class:`~napari_construct.data.cells.dataset.CellDataset`.

    Parameters
    ----------
    channels : ndarray
        (c, h, w).
    names : tuple of str
        Of the channels.
    cells : ndarray
        (h, w) int32 numbers of cells.
    grid : int
        Blocks a side, an even number.
    gap : int
        Pixels between quadrants that belong to no block.
    mpp : float or None
        Micrometres per pixel.
    """

    notices: tuple[str, ...] = ()

    def __init__(
        self,
        channels: NDArray[Any],
        names: tuple[str, ...],
        cells: NDArray[np.int32],
        grid: int,
        gap: int,
        mpp: float | None,
    ) -> None:
        if grid < 2 or grid % 2:
            raise SystemExit(f"expected an even number of blocks a side, got {grid}; use 4")
        self.pixels, self.channels, self.cells, self.mpp = channels, tuple(names), cells, mpp
        rows, columns = (_cuts(side, grid, gap) for side in cells.shape)
        self.boxes = tuple((y, x) for y in rows for x in columns)
        self.names = tuple(f"r{i // grid}c{i % grid}" for i in range(grid * grid))
        self.groups = self.names
        self.has_truth = (True,) * len(self.names)
        told = hashlib.sha256(f"{self.channels} {grid} {gap} {mpp}".encode())
        told.update(np.ascontiguousarray(channels).data)
        told.update(np.ascontiguousarray(cells).data)
        self.fingerprint = told.hexdigest()

    def __len__(self) -> int:
        return len(self.boxes)

    def load(self, index: int) -> CellItem:
        """Channels and cells of one block."""
        y, x = self.boxes[index]
        name = Path(f"{self.names[index]}.tif")
        image = ChannelImage(np.ascontiguousarray(self.pixels[:, y, x]), self.channels, self.mpp, (), name)
        return CellItem(image, np.ascontiguousarray(self.cells[y, x]))


def quadrants(grid: int) -> NDArray[np.int64]:
    """The quadrant, 0 to 3, of every block."""
    half = np.arange(grid) >= grid // 2
    return (2 * half[:, None] + half[None, :]).ravel()


def _cuts(side: int, grid: int, gap: int) -> list[slice]:
    """Equal parts of a side; those beside the middle end half a gap before it."""
    ends = np.linspace(0, side, grid + 1).astype(int)
    cuts = []
    for i in range(grid):
        start = ends[i] + (gap - gap // 2 if i == grid // 2 else 0)
        stop = ends[i + 1] - (gap // 2 if i == grid // 2 - 1 else 0)
        cuts.append(slice(int(start), int(stop)))
    return cuts
