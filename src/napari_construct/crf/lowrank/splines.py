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
from numpy.lib.stride_tricks import sliding_window_view
from scipy import linalg
from torch import Tensor

MAX_SPACING = 16
REACH = 3.5
"""Half-width of the band of T in standard deviations (and one node)."""

WIDE_REACH = 4.0
"""The same where the band is all that is worked on."""

BLOCK = 24
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
    gauss = np.exp(-0.5 * (np.arange(1 - n, n) / sigma) ** 2)
    blurred = np.zeros((n, m))
    for a in range(degree + 1):  # a part of a spline is the same in every cell, and so is its blur
        part = sliding_window_view(np.convolve(gauss, local[:, a]), n)
        blurred[:, a : a + cells] += part[n - 1 :: -s].T
    gram = weights.T @ weights
    # one pixel a cell leaves the first and last splines dependent; a trace of ridge picks one solution
    gram[np.diag_indices(m)] += 1e-9
    # splines further apart than the degree do not meet: a band, solved in no time and on one thread
    band = np.stack([np.pad(gram.diagonal(-i), (0, i)) for i in range(degree + 1)])
    factor = linalg.cholesky_banded(band, lower=True), True
    half = linalg.cho_solve_banded(factor, weights.T @ blurred)
    kernel: npt.NDArray[np.float64] = linalg.cho_solve_banded(factor, half.T)
    kernel = 0.5 * (kernel + kernel.T)
    kernel.setflags(write=False)
    return kernel


class AxisBlur:
    """Rows of T for one axis, dense and as a band cut into blocks."""

    def __init__(
        self, cells: int, s: int, sigma: float, degree: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.kernel = torch.tensor(node_kernel(cells, s, sigma, degree), dtype=dtype, device=device)
        self.band, self.wide = (ceil(reach * sigma / s) + 1 for reach in (REACH, WIDE_REACH))
        m = len(self.kernel)
        edges = [0, m] if m <= 2 * BLOCK else [*range(0, m - BLOCK // 2, BLOCK), m]
        targets = [slice(low, high) for low, high in pairwise(edges)]
        self.blocks = [(target, self.source(target)) for target in targets]

    def source(self, target: slice) -> slice:
        """The nodes that some nodes are made of."""
        return slice(max(0, target.start - self.band), min(len(self.kernel), target.stop + self.band))


axis_blur = lru_cache(maxsize=16)(AxisBlur)
"""Images of one size share their blurs."""


class PlaneBlur:
    """The blur between the nodes of a plane: T of the rows times T of the columns."""

    def __init__(
        self, cells: tuple[int, int, int], sigma: float, degree: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        ny, nx, s = cells
        self.y, self.x = (axis_blur(n, s, sigma, degree, dtype, device) for n in (ny, nx))


@lru_cache(maxsize=64)
def row_sums(n: int, sigma: float, device: torch.device) -> Float[Tensor, " n"]:
    """Row sums of a Gaussian of one axis."""
    reach = min(n - 1, int(8 * sigma) + 1)
    gauss = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    ones = torch.ones(1, 1, n, dtype=torch.float64)
    sums = torch.nn.functional.conv1d(ones, gauss[None, None], padding=reach)
    return sums[0, 0].to(torch.float32).to(device)
