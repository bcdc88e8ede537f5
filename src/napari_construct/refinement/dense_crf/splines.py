"""Spatial Gaussians on a coarse grid of B-splines.

A picture blurred with a Gaussian of standard deviation sigma holds nothing finer than about sigma,
so the blur needs one number every 0.6 sigma, not one a pixel. Along one axis of ``n`` pixels, cut into
cells of ``s`` pixels, let ``W`` (n, m) hold the values of the ``m = n / s + d`` B-splines of degree d whose
knots are the cell borders. The blur ``G`` (n, n) is replaced by

    W T W^T,    T = W^+ G W^+^T,

the best approximation of ``G`` in that space on both sides (W^+ is the pseudo-inverse). ``T`` is
symmetric and positive semi-definite because ``G`` is. Every pixel sees d + 1 splines an axis, four in
the plane for linear ones and nine for quadratic ones: *splat* is W^T, *slice* is W, and the blur itself
happens between splines only.
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

from napari_construct.refinement.dense_crf.strips import Map

MAX_SPACING = 16
REACH = 3.7
"""Half-width of the band of T in standard deviations (and two nodes)."""

BLOCK = 32
BATCH = 32
"""Nodes that one banded product makes."""


def spacing(sigma: float, ratio: float) -> int:
    """Side of a cell in pixels: ``ratio`` standard deviations of the Gaussian, rounded down."""
    return max(1, min(MAX_SPACING, int(ratio * sigma + 1e-9)))


def cell_weights(s: int, degree: int) -> npt.NDArray[np.float64]:
    """(degree + 1, s): values of the splines of a cell at its pixel centres, one axis."""
    t = (np.arange(s) + 0.5) / s
    linear, quadratic = [1 - t, t], [0.5 * (1 - t) ** 2, 0.5 + t - t**2, 0.5 * t**2]
    weights: npt.NDArray[np.float64] = np.stack(linear if degree == 1 else quadratic)
    return weights


def plane_weights(s: int, degree: int) -> npt.NDArray[np.float64]:
    """((degree + 1)^2, s * s): values of the splines of a cell at its pixels, rows before columns."""
    axis = cell_weights(s, degree)
    plane: npt.NDArray[np.float64] = np.einsum("ay,bx->abyx", axis, axis).reshape(-1, s * s)
    return plane


@lru_cache(maxsize=64)
def node_kernel(cells: int, s: int, sigma: float, degree: int) -> npt.NDArray[np.float64]:
    """T of the module's text for one axis of ``cells`` cells, float64."""
    n, m = cells * s, cells + degree
    weights = np.zeros((n, m))
    local = cell_weights(s, degree).T
    for cell in range(cells):
        weights[cell * s : (cell + 1) * s, cell : cell + degree + 1] = local
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

    def __init__(
        self, cells: int, s: int, sigma: float, degree: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        kernel = node_kernel(cells, s, sigma, degree)
        m = len(kernel)
        band = ceil(REACH * sigma / s) + 2
        edges = [0, m] if m <= BLOCK + 2 * band else [*range(0, m - BLOCK // 2, BLOCK), m]
        self.blocks = []
        for low, high in pairwise(edges):
            first, last = max(0, low - band), min(m, high + band)
            block = torch.tensor(kernel[low:high, first:last], dtype=dtype, device=device)
            self.blocks.append((slice(first, last), block))

    def __call__(self, nodes: Float[Tensor, "n m c"], run: Map) -> Float[Tensor, "n m c"]:
        """Blur along dimension 1."""
        if nodes.device.type != "cpu":
            return self._some(nodes)
        return torch.cat(list(run(self._some, torch.split(nodes, BATCH))))

    def _some(self, nodes: Float[Tensor, "n m c"]) -> Float[Tensor, "n m c"]:
        parts = [
            torch.bmm(block.expand(len(nodes), -1, -1), nodes[:, source]) for source, block in self.blocks
        ]
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]


class PlaneBlur:
    """The blur between the nodes of a plane: T of the rows times T of the columns."""

    def __init__(
        self, cells: tuple[int, int, int], sigma: float, degree: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        ny, nx, s = cells
        self.y, self.x = (AxisBlur(n, s, sigma, degree, dtype, device) for n in (ny, nx))

    def __call__(self, nodes: Float[Tensor, "b my mx c"], run: Map) -> Float[Tensor, "b my mx c"]:
        b, my, mx, c = nodes.shape
        # each pass is a batch of small products over the other axis, and leaves the axes swapped
        along_y = self.y(_fold(nodes.transpose(1, 2)), run).reshape(b, mx, my, c)
        return self.x(_fold(along_y.transpose(1, 2)), run).reshape(b, my, mx, c)


def _fold(nodes: Float[Tensor, "b n m c"]) -> Float[Tensor, "_ m c"]:
    """Fold the batch into the next dimension, without a copy for one image."""
    return nodes[0] if len(nodes) == 1 else nodes.flatten(0, 1)
