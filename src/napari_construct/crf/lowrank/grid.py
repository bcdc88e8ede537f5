"""Cells of pixels, nodes of splines, and the strips in which both are worked on."""

from __future__ import annotations

from functools import cached_property

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from napari_construct.crf.base.strips import cut
from napari_construct.crf.lowrank import splines


def to_cells(planes: Shaped[Tensor, "b n h w"], s: int) -> Shaped[Tensor, "b ny nx n p"]:
    """Cut pictures into cells of s x s pixels, padded with zeros."""
    b, n, h, w = planes.shape
    ny, nx = -(-h // s), -(-w // s)
    if (ny * s, nx * s) != (h, w):
        planes = torch.nn.functional.pad(planes, (0, nx * s - w, 0, ny * s - h))
    return planes.reshape(b, n, ny, s, nx, s).permute(0, 2, 4, 1, 3, 5).reshape(b, ny, nx, n, s * s)


def from_cells(cells: Float[Tensor, "b ny nx n p"], s: int, h: int, w: int) -> Float[Tensor, "b n h w"]:
    """Undo :func:`to_cells`."""
    b, ny, nx, n, _ = cells.shape
    planes = cells.reshape(b, ny, nx, n, s, s).permute(0, 3, 1, 4, 2, 5).reshape(b, n, ny * s, nx * s)
    return planes[..., :h, :w]


class Grid:
    """The grid of images of one size, with the blurs between its nodes.

    Parameters
    ----------
    shape : tuple of int
        b images of h x w pixels.
    sigma_xy, smoothness_sigma : float
        Standard deviations of the appearance and the smoothness kernel in space, pixels.
    spacing : float
        Side of a cell in standard deviations of the narrower kernel.
    degree : int
        Of the splines, 1 or 2.
    sums : torch.dtype
        Of what is summed on the nodes.
    device : torch.device
        Where it is.

    Attributes
    ----------
    s, p, ny, nx : int
        Pixels a side of a cell, pixels a cell, and rows and columns of cells.
    taps : int
        Splines that a pixel sees along an axis; there are ``nx + taps - 1`` columns of nodes.
    features : tensor
        (b, ny, nx, p, r + 1): the colour features times degree^-1/2 of the appearance kernel, and in the
        last column degree^-1/2 of the smoothness kernel; zero outside the image. Set by the lattice.
    residual : tensor
        (b, ny, nx, 1, p) float32: what the self term of the normalised appearance kernel lacks. Likewise.
    """

    features: Float[Tensor, "b ny nx p r1"]
    residual: Float[Tensor, "b ny nx 1 p"]

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        sigma_xy: float,
        smoothness_sigma: float,
        spacing: float,
        degree: int,
        sums: torch.dtype,
        device: torch.device,
    ) -> None:
        self.b, self.h, self.w = shape
        self.sums, self.device = sums, device
        self.s = splines.spacing(min(sigma_xy, smoothness_sigma), spacing)
        self.ny, self.nx, self.p = -(-self.h // self.s), -(-self.w // self.s), self.s**2
        # linear splines on a grid of pixels are a poor basis; quadratic ones hold every picture
        degree = degree if self.s > 1 else 2
        self.taps = degree + 1
        cells = (self.ny, self.nx, self.s)
        self.appearance_blur = splines.PlaneBlur(cells, sigma_xy, degree, sums, device)
        self.smoothness_blur = splines.PlaneBlur(cells, smoothness_sigma, degree, sums, device)
        self.weights = torch.tensor(splines.plane_weights(self.s, degree), dtype=sums, device=device)
        self.inside = to_cells(torch.ones(1, 1, self.h, self.w, dtype=sums, device=device), self.s)

    @cached_property
    def strips(self) -> list[slice]:
        """Rows of cells worked on at a time."""
        return cut(self.ny, self.nx * self.p, self.device)

    def pixels(self, rows: slice) -> slice:
        """The pixel rows of rows of cells."""
        return slice(rows.start * self.s, min(self.h, rows.stop * self.s))

    def own(self, index: int) -> slice:
        """The rows of nodes that a strip writes: neighbours have rows of their own for shared nodes."""
        rows, edge = self.strips[index], self.taps - 1
        return slice(rows.start + index * edge, rows.stop + (index + 1) * edge)

    @cached_property
    def node_rows(self) -> tuple[int, ...]:
        """The row of nodes of every row of all strips' nodes."""
        edge = self.taps - 1
        return tuple(row for rows in self.strips for row in range(rows.start, rows.stop + edge))

    def runs(self, k: int) -> Float[Tensor, "g kp"]:
        """The splines' values at the pixels of a cell for k planes: processors like long runs."""
        return self.weights[:, None].expand(-1, k, -1).reshape(-1, k * self.p)

    @property
    def rank(self) -> int:
        """Colour features, without the last column."""
        return self.features.shape[-1] - 1
