"""From painted pixels to cells of an encoder's finest level, at the model's resolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Cells:
    """Painted cells of an image.

    Attributes
    ----------
    rows, columns : ndarray
        (n,) places on the grid.
    values : ndarray
        (n,) painted value of each: that of most of its painted pixels.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rows)


def painted_cells(painted: NDArray[np.uint8], shape: tuple[int, int], stride: int) -> Cells:
    """Cells whose painted pixels vote for a class; thin strokes are never lost, however much is shrunk.

    Parameters
    ----------
    painted : ndarray
        (h, w) uint8, 0 where nothing is painted.
    shape : tuple of int
        Rows and columns of the image at the model's resolution.
    stride : int
        Pixels per cell there.
    """
    y, x = np.nonzero(painted)
    rows, columns = cells_at(y, x, (painted.shape[0], painted.shape[1]), shape, stride)
    across = -(-shape[1] // stride)
    votes, counts = np.unique(
        np.stack([rows * across + columns, painted[y, x].astype(np.intp)]), axis=1, return_counts=True
    )
    order = np.lexsort((votes[1], -counts, votes[0]))  # most votes first; of equal ones the lower value
    cell, first = np.unique(votes[0][order], return_index=True)
    return Cells(cell // across, cell % across, votes[1][order][first].astype(np.uint8))


def cells_at(
    y: NDArray[np.intp], x: NDArray[np.intp], size: tuple[int, int], shape: tuple[int, int], stride: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the cells that hold the centres of some pixels of an image of ``size``."""
    rows = ((y + 0.5) * shape[0] / size[0]).astype(np.intp) // stride
    columns = ((x + 0.5) * shape[1] / size[1]).astype(np.intp) // stride
    return rows, columns
