"""The appearance kernel by itself, for a few pixels of standard deviation: a sum over the pixels around each.

With cells of one pixel a lattice has a node a pixel, with all colour features in each. It costs more than the
sum, and is less exact. The sum takes every pixel within some standard deviations: beyond 3 the Gaussian has
1.1 % of its weight, beyond 3.5 it has 0.2 %. Weights are made anew every time, as those of an image do not
fit into memory.
"""

from __future__ import annotations

from math import ceil, log

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from napari_construct.crf.base.numba_gate import flat, kernels_serve, rounded
from napari_construct.crf.base.strips import Map
from napari_construct.crf.narrow.part import Planes

LOWEST = -60.0
"""Exponents are clipped here: products that underflow make a processor stumble."""


class BilateralPart:
    """The normalised appearance kernel of images, as a :class:`Part` of the mean field.

    Parameters
    ----------
    image : tensor
        (b, h, w, 3) uint8.
    sigma_xy, sigma_rgb : float
        Standard deviations in pixels and in grey levels.
    reach : float
        Radius of the disc of pixels in standard deviations.
    strips : list of slice
        Rows of pixels worked on at a time.
    run : Map
        Works on them.
    """

    def __init__(
        self,
        image: UInt8[Tensor, "b h w 3"],
        sigma_xy: float,
        sigma_rgb: float,
        reach: float,
        strips: list[slice],
        run: Map,
    ) -> None:
        b, self.h, self.w, _ = image.shape
        self.b, self.device = b, image.device
        limit = reach * sigma_xy
        self.edge = ceil(limit)
        self.line = rounded(self.w) + 2 * self.edge
        steps = np.arange(-self.edge, self.edge + 1)
        dy, dx = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
        near = dy**2 + dx**2 <= max(limit, 1.0) ** 2
        self.dy, self.dx = dy[near], dx[near]
        # exponents are to base two
        halves = 0.5 / log(2.0)
        self.far = (-halves / sigma_xy**2 * (self.dy**2 + self.dx**2)).astype(np.float32)
        self.colours = self._room(3)
        self._inside(self.colours).copy_(image.movedim(3, 1)).mul_(halves**0.5 / sigma_rgb)
        self.compiled = kernels_serve(image.device, b)
        self.root = torch.ones(b, 1, self.h, self.w, device=self.device)
        ones = self._room(1)
        self._inside(ones).fill_(1)

        def scale(rows: slice) -> None:
            roots[:, :, rows] = self.message(rows, ones).rsqrt_()

        roots = torch.empty_like(self.root)
        for _ in run(scale, strips):
            pass
        self.root = roots

    def new_nodes(self, k: int) -> Planes:
        return self._room(k)

    def send(self, rows: slice, change: Planes, nodes: Planes) -> None:
        torch.mul(change, self.root[:, :, rows], out=self._inside(nodes)[:, :, rows])

    def message(self, rows: slice, nodes: Planes) -> Planes:
        out = (self._by_kernels if self.compiled else self._by_torch)(rows, nodes)
        return out.mul_(self.root[:, :, rows])

    def _room(self, k: int) -> Planes:
        """Planes of zeros with an edge around the image; rows end at a whole vector."""
        return torch.zeros(self.b, k, self.h + 2 * self.edge, self.line, device=self.device)

    def _inside(self, padded: Planes) -> Planes:
        return padded[:, :, self.edge : self.edge + self.h, self.edge : self.edge + self.w]

    def _by_kernels(self, rows: slice, nodes: Planes) -> Planes:
        from napari_construct.crf.kernels import bilateral_kernel

        k, count, wide = nodes.shape[1], rows.stop - rows.start, rounded(self.w)
        out = torch.empty(1, k, count, wide)
        bilateral_kernel.bilateral(
            flat(nodes),
            flat(self.colours),
            flat(out),
            self.dy * self.line + self.dx,
            self.far,
            (rows.start + self.edge) * self.line + self.edge,
            count,
            wide,
            self.line,
            nodes[0, 0].numel(),
            k,
        )
        return out[..., : self.w]

    def _by_torch(self, rows: slice, nodes: Planes) -> Planes:
        def at(padded: Planes, dy: int, dx: int) -> Planes:
            top, left = rows.start + self.edge + dy, self.edge + dx
            return padded[:, :, top : top + rows.stop - rows.start, left : left + self.w]

        own = at(self.colours, 0, 0)
        out = torch.zeros(self.b, nodes.shape[1], *own.shape[2:], device=self.device)
        for dy, dx, far in zip(self.dy.tolist(), self.dx.tolist(), self.far.tolist(), strict=True):
            apart = (at(self.colours, dy, dx) - own).square_().sum(1, keepdim=True)
            out.addcmul_(apart.neg_().add_(far).clamp_min_(LOWEST).exp2_(), at(nodes, dy, dx))
        return out
