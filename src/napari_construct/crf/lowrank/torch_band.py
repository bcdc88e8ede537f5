"""Rows of cells of a lattice by torch: splat, blur and slice, written for few and large operations.

An operation of torch costs some microseconds before it does anything, and a mean field makes thousands
of them. So everything that does not change between iterations (views, kernels times their weights, room
for intermediate products) is made once, and what is left is two dozen operations a strip.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.crf.lowrank.grid import Grid
from napari_construct.crf.lowrank.splines import PlaneBlur


class Workspace:
    """Room for the intermediate products of one band, with the views on it that are needed."""

    def __init__(self, grid: Grid, y: int, k: int, dtype: torch.dtype) -> None:
        b, nx, p, r, t = grid.b, grid.nx, grid.p, grid.rank + 1, grid.taps
        n, mx, sums, device = b * y * nx, nx + t - 1, grid.sums, grid.device

        def room(*shape: int, dtype: torch.dtype = sums) -> Tensor:
            return torch.empty(shape, dtype=dtype, device=device)

        self.given, self.weighted = room(n, 1, k * p), room(n, t * t, k * p, dtype=dtype)
        self.given_cells = self.given.view(b, y, nx, k, p)
        self.weighted_rows = self.weighted.view(n, t * t * k, p)
        self.parts = room(n, t * t * k, r, dtype=dtype)
        parts = self.parts.view(b, y, nx, t, t, k, r)
        self.taps = [parts[:, :, :, i, j] for i in range(t) for j in range(t)]
        self.along_y, self.blurred = room(b, y + t - 1, mx * k * r), room(b * (y + t - 1), mx, k * r)
        self.columns = self.along_y.view(b * (y + t - 1), mx, k * r)
        blurred = self.blurred.view(b, y + t - 1, mx, k, r)
        self.smooth_column = blurred[..., -1]
        self.blurred_windows = blurred.unfold(1, t, 1).unfold(2, t, 1).permute(0, 1, 2, 5, 6, 3, 4)
        self.windows = room(*self.blurred_windows.shape, dtype=dtype)
        self.window_rows = self.windows.view(n, t * t * k, r)
        self.values = room(n, t * t * k, p, dtype=dtype)
        self.planes = self.values.view(n, t * t, k * p).unbind(1)
        self.message = room(n, k * p)
        self.message_cells = self.message.view(b, y, nx, k, p)
        self.logits = room(b, y, nx, k + 1, p)
        self.smooth_along_y = room(b, y + t - 1, k * mx)
        self.smooth_rows = self.smooth_along_y.view(-1, mx)
        self.smooth = room(b * (y + t - 1) * k, mx)
        self.smooth_turned = self.smooth.view(b, y + t - 1, k, mx).transpose(2, 3)
        self.x_parts = [
            (self.columns[:, source], self.blurred[:, target])
            for target, source in grid.appearance_blur.x.blocks
        ]


@dataclass(frozen=True, slots=True)
class Port:
    """What a band writes to the nodes (its own rows, and its cells' corners in them) and reads from them."""

    own: Tensor
    taps: list[Tensor]
    source: Tensor
    smooth: Tensor


class Workspaces:
    """Workspaces that are free; as many are made as threads ask for at a time."""

    def __init__(self, grid: Grid, k: int, dtype: torch.dtype) -> None:
        self.grid, self.k, self.dtype = grid, k, dtype
        self.free: defaultdict[int, list[Workspace]] = defaultdict(list)

    def take(self, y: int) -> Workspace:
        """A workspace for a band of y rows of cells."""
        try:
            return self.free[y].pop()
        except IndexError:
            return Workspace(self.grid, y, self.k, self.dtype)

    def give(self, y: int, used: Workspace) -> None:
        """Give a workspace back."""
        self.free[y].append(used)


class Band:
    """Some rows of cells, for k planes.

    Parameters
    ----------
    grid : Grid
        All cells.
    index : int
        Which of the grid's strips.
    k : int
        Number of planes.
    weights : tuple of float
        Of the smoothness and the appearance kernel.
    dtype : torch.dtype
        Of the products.
    """

    def __init__(
        self, grid: Grid, index: int, k: int, weights: tuple[float, float], dtype: torch.dtype
    ) -> None:
        self.rows = rows = grid.strips[index]
        self.grid, self.y, p = grid, rows.stop - rows.start, grid.p
        self.features = grid.features[:, rows].reshape(-1, p, grid.rank + 1).to(dtype)
        self.turned = self.features.transpose(1, 2)
        self.runs = grid.runs(k)
        self.each_run = self.runs.unbind(0)
        self.own = grid.own(index)
        count = grid.b * (self.y + grid.taps - 1)
        smooth, appearance = grid.smoothness_blur, grid.appearance_blur
        self.smooth_source, self.smooth_y = self._along_y(smooth, weights[0])
        self.source, self.kernel_y = self._along_y(appearance, weights[1])
        self.smooth_x = smooth.x.kernel
        self.kernels_x = [
            appearance.x.kernel[target, source].expand(count, -1, -1)
            for target, source in appearance.x.blocks
        ]

    def _along_y(self, blur: PlaneBlur, weight: float) -> tuple[slice, Float[Tensor, "b yn m"]]:
        """Which rows of all bands' nodes the band's nodes are made of, and the kernel between them."""
        rows = slice(self.rows.start, self.rows.stop + self.grid.taps - 1)
        reach = blur.y.source(rows)
        index = self.grid.node_rows
        near = [i for i, node in enumerate(index) if reach.start <= node < reach.stop]
        source = slice(near[0], near[-1] + 1)
        kernel = blur.y.kernel[rows][:, index[source]] * weight
        return source, kernel.expand(self.grid.b, -1, -1)

    def port(self, nodes: Float[Tensor, "b m mx k r"]) -> Port:
        """The band's views of some nodes."""
        b, _, mx, k, r = nodes.shape
        own, nx, taps = nodes[:, self.own], self.grid.nx, self.grid.taps
        return Port(
            own=own,
            taps=[own[:, i : i + self.y, j : j + nx] for i in range(taps) for j in range(taps)],
            source=nodes[:, self.source].view(b, -1, mx * k * r),
            smooth=nodes[:, self.smooth_source, :, :, -1].transpose(2, 3),
        )

    def splat(self, room: Workspace, port: Port) -> None:
        """Sum ``room.given`` times the features on the band's own rows of the nodes.

        Rounding comes after the product with the splines: it is then different at every pixel of a cell
        and averages out, also where one probability fills a region.
        """
        torch.mul(room.given, self.runs, out=room.weighted)
        torch.bmm(room.weighted_rows, self.features, out=room.parts)
        port.own.zero_()
        for target, part in zip(port.taps, room.taps, strict=True):
            target.add_(part)

    def blur(self, room: Workspace, port: Port) -> None:
        """Both kernels, each times its weight, for the nodes that the band sees."""
        torch.bmm(self.kernel_y, port.source, out=room.along_y)
        for kernel, (source, target) in zip(self.kernels_x, room.x_parts, strict=True):
            torch.bmm(kernel, source, out=target)
        # one column only: both passes are products of large matrices with the columns last
        smooth = port.smooth.reshape(self.grid.b, -1, room.smooth_along_y.shape[2])
        torch.bmm(self.smooth_y, smooth, out=room.smooth_along_y)
        torch.mm(room.smooth_rows, self.smooth_x, out=room.smooth)
        room.smooth_column.copy_(room.smooth_turned)

    def slice(self, room: Workspace) -> Float[Tensor, "b y nx k p"]:
        """Values of both blurred kernels together at the band's pixels, valid until the next call."""
        room.windows.copy_(room.blurred_windows)
        torch.bmm(room.window_rows, self.turned, out=room.values)
        torch.mul(room.planes[0], self.each_run[0], out=room.message)
        for plane, run in zip(room.planes[1:], self.each_run[1:], strict=True):
            room.message.addcmul_(plane, run)
        return room.message_cells
