"""The smoothness kernel by itself: a Gaussian, first along the columns and then along the rows.

The kernel is separable. A pass along an axis is a product with a band of a matrix, a block of the band at a
time, and exact but for the Gaussian's ends beyond ``REACH`` standard deviations.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.crf.lowrank.splines import row_sums
from napari_construct.crf.narrow.part import Planes

REACH = 4.0
"""Half-width of the band in standard deviations."""

BLOCK = 64
"""Columns that one product makes."""


class GaussPart:
    """The normalised smoothness kernel of b images of h x w pixels, as a :class:`Part` of the mean field."""

    def __init__(self, shape: tuple[int, int, int], sigma: float, device: torch.device) -> None:
        self.shape, self.sigma = shape, sigma
        _, h, w = shape
        self.root = (row_sums(h, sigma, device)[:, None] * row_sums(w, sigma, device)).rsqrt_()
        self.blocks = [
            (slice(x, min(x + BLOCK, w)), *band(w, (x, min(x + BLOCK, w)), sigma, device))
            for x in range(0, w, BLOCK)
        ]
        self.device = device

    def new_nodes(self, k: int) -> Planes:
        b, h, w = self.shape
        return torch.empty(b, k, h, w, device=self.device)

    def send(self, rows: slice, change: Planes, nodes: Planes) -> None:
        torch.mul(change, self.root[rows], out=nodes[:, :, rows])

    def message(self, rows: slice, nodes: Planes) -> Planes:
        source, kernel = band(self.shape[1], (rows.start, rows.stop), self.sigma, self.device)
        tall = torch.matmul(kernel, nodes[:, :, source])
        out = torch.empty_like(tall)
        for target, columns, weights in self.blocks:
            torch.matmul(tall[..., columns], weights.T, out=out[..., target])
        return out.mul_(self.root[rows])


@lru_cache(maxsize=512)
def band(
    n: int, rows: tuple[int, int], sigma: float, device: torch.device
) -> tuple[slice, Float[Tensor, "rows source"]]:
    """Some rows of the blur of an axis of n pixels: the pixels they are made of, and their weights."""
    reach = ceil(REACH * sigma)
    source = slice(max(0, rows[0] - reach), min(n, rows[1] + reach))
    apart = torch.arange(*rows)[:, None] - torch.arange(source.start, source.stop)
    return source, torch.exp(-0.5 * (apart.double() / sigma) ** 2).float().to(device)
