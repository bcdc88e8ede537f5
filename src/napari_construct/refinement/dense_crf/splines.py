"""Spatial Gaussians on a coarse grid of quadratic B-splines.

A picture blurred with a Gaussian of standard deviation sigma holds nothing finer than about sigma,
so the blur needs one number every 0.8 sigma, not one a pixel. Along one axis of ``n`` pixels, cut into
cells of ``s`` pixels, let ``W`` (n, m) hold the values of the ``m = n / s + 2`` quadratic B-splines whose
knots are the cell borders. The blur ``G`` (n, n) is replaced by

    W T W^T,    T = W^+ G W^+^T,

the best approximation of ``G`` in that space on both sides (W^+ is the pseudo-inverse). ``T`` is
symmetric and positive semi-definite because ``G`` is. Every pixel sees three splines an axis, nine
in the plane: *splat* is W^T, *slice* is W, and the blur itself happens between splines only.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import ceil

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from scipy import linalg, signal
from torch import Tensor

MAX_SPACING = 16
BLOCK = 32
"""Nodes that one banded product makes."""


def spacing(sigma: float, ratio: float) -> int:
    """Side of a cell in pixels: ``ratio`` standard deviations of the Gaussian, rounded down."""
    return max(1, min(MAX_SPACING, int(ratio * sigma + 1e-9)))


def cell_weights(s: int) -> npt.NDArray[np.float64]:
    """Values of the three splines of a cell at its pixel centres, one axis."""
    t = (np.arange(s) + 0.5) / s
    weights: npt.NDArray[np.float64] = np.stack([0.5 * (1 - t) ** 2, 0.5 + t - t**2, 0.5 * t**2])
    return weights


def plane_weights(s: int) -> npt.NDArray[np.float64]:
    """Values of the nine splines of a cell of p = s * s pixels, rows before columns."""
    axis = cell_weights(s)
    plane: npt.NDArray[np.float64] = np.einsum("ay,bx->abyx", axis, axis).reshape(9, s * s)
    return plane


@lru_cache(maxsize=64)
def node_kernel(cells: int, s: int, sigma: float) -> npt.NDArray[np.float64]:
    """T of the module's text for one axis of ``cells`` cells, float64."""
    n, m = cells * s, cells + 2
    weights = np.zeros((n, m))
    local = cell_weights(s).T
    for cell in range(cells):
        weights[cell * s : (cell + 1) * s, cell : cell + 3] = local
    reach = min(n - 1, ceil(8 * sigma))
    gauss = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    blurred = signal.oaconvolve(weights, gauss[:, None], mode="full", axes=0)[reach : reach + n]
    gram = weights.T @ weights
    # one pixel a cell leaves the first and last splines dependent; a trace of ridge picks one solution
    gram[np.diag_indices(m)] += 1e-9
    factor = linalg.cho_factor(gram)
    half = linalg.cho_solve(factor, weights.T @ blurred)
    kernel: npt.NDArray[np.float64] = linalg.cho_solve(factor, half.T)
    kernel = 0.5 * (kernel + kernel.T)
    kernel.setflags(write=False)
    return kernel


class AxisBlur:
    """Multiplies node values by T along one axis, a block of rows of the band at a time."""

    def __init__(self, cells: int, s: int, sigma: float, device: torch.device) -> None:
        kernel = node_kernel(cells, s, sigma)
        m = len(kernel)
        # the Gaussian to 5 sigma, and the tails of the inverse splines
        band = ceil(5 * sigma / s) + 6
        edges = [0, m] if m <= BLOCK + 2 * band else [*range(0, m - BLOCK // 2, BLOCK), m]
        self.blocks = []
        for low, high in pairwise(edges):
            first, last = max(0, low - band), min(m, high + band)
            block = torch.tensor(kernel[low:high, first:last], dtype=torch.float32, device=device)
            self.blocks.append((slice(low, high), slice(first, last), block))

    def rows(self, nodes: Float[Tensor, "b m n"]) -> Float[Tensor, "b m n"]:
        """Blur along dimension 1; every other dimension is folded into the others."""
        if len(self.blocks) == 1:
            return torch.matmul(self.blocks[0][2], nodes)
        out = torch.empty_like(nodes)
        for target, source, block in self.blocks:
            out[:, target] = torch.matmul(block, nodes[:, source])
        return out


class PlaneBlur:
    """The blur between the nodes of a plane: T of the rows times T of the columns."""

    def __init__(self, ny: int, nx: int, s: int, sigma: float, device: torch.device) -> None:
        self.y, self.x = AxisBlur(ny, s, sigma, device), AxisBlur(nx, s, sigma, device)

    def __call__(self, nodes: Float[Tensor, "b my mx c"]) -> Float[Tensor, "b my mx c"]:
        b, my, mx, c = nodes.shape
        along_y = self.y.rows(nodes.reshape(b, my, mx * c)).reshape(b * my, mx, c)
        return self.x.rows(along_y).reshape(b, my, mx, c)
