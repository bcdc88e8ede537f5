"""Two kernels that each work for themselves, and the mean field with them.

On one lattice both kernels share cells, which have to suit the narrower one. Where their widths differ much,
or cells would be one pixel wide, each gets what suits it: the smoothness kernel a pass along each axis, the
appearance kernel a lattice of its own or a direct sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.crf.base.inputs import MIN_PROBABILITY
from napari_construct.crf.base.strips import workers
from napari_construct.crf.lowrank.grid import from_cells, to_cells
from napari_construct.crf.lowrank.lattice import Lattice
from napari_construct.crf.lowrank.operators import MeanFieldArrays, largest
from napari_construct.crf.narrow.part import Part, Planes


class SplitKernels:
    """As :class:`~napari_construct.crf.lowrank.operators.Kernels` has it.

    Parameters
    ----------
    smoothness, appearance : Part
        The two kernels.
    rows : list of slice
        Rows of pixels worked on at a time.
    images : int
        Number of images.
    device : torch.device
        Where they are.
    """

    def __init__(
        self, smoothness: Part, appearance: Part, rows: list[slice], images: int, device: torch.device
    ) -> None:
        self.parts = smoothness, appearance
        self.rows, self.images, self.device = rows, images, device

    def new_nodes(self, k: int) -> tuple[Any, Any]:
        return self.parts[0].new_nodes(k), self.parts[1].new_nodes(k)

    def free(self, *nodes: Any) -> None:
        """Nothing: torch keeps memory itself."""

    def strips(self, arrays: MeanFieldArrays) -> Sequence[SplitStrip]:
        return [SplitStrip(self.parts, rows, arrays) for rows in self.rows]

    def messages(self, q: Planes) -> tuple[Planes, Planes]:
        given, nodes = q.detach(), self.new_nodes(q.shape[1])
        out = torch.empty_like(given), torch.empty_like(given)

        def send(rows: slice) -> None:
            for part, room in zip(self.parts, nodes, strict=True):
                part.send(rows, given[:, :, rows], room)

        def gather(rows: slice) -> None:
            for part, room, target in zip(self.parts, nodes, out, strict=True):
                target[:, :, rows] = part.message(rows, room)

        with workers(self.device) as run:
            for work in (send, gather):
                for _ in run(work, self.rows):
                    pass
        return out


@dataclass
class SplitStrip:
    """The state of some rows of pixels.

    ``logits`` are the unaries plus all messages, ``q`` the probabilities, both (b, k, rows, w) with the
    labels in the order of the arrays; messages are of differences from the last label, as everywhere.
    """

    parts: tuple[Part, Part]
    rows: slice
    arrays: MeanFieldArrays

    def start(self, nodes: list[Any]) -> None:
        arrays = self.arrays
        self.nodes = nodes
        self.images = torch.arange(len(arrays.order), device=arrays.order.device)[:, None]
        given = arrays.probabilities[:, :, self.rows][self.images, arrays.order].clamp_(MIN_PROBABILITY, 1.0)
        self.logits = given.log()
        self.q = given.div_(given.sum(1, keepdim=True))
        self._send(self._ahead(), nodes[0])

    def step(self, number: int, last: bool) -> None:
        for part, room, weight in zip(self.parts, self.nodes[number % 2], self.arrays.weights, strict=True):
            if weight:
                self.logits[:, :-1].add_(part.message(self.rows, room), alpha=weight)
        before = self._ahead()
        torch.softmax(self.logits, 1, out=self.q)
        if not last:
            self._send(self._ahead().sub_(before), self.nodes[1 - number % 2])

    def finish(self) -> None:
        target = self.arrays.out[:, :, self.rows]
        target[self.images, self.arrays.order] = self.q
        if self.arrays.labels is not None:
            self.arrays.labels[:, self.rows] = largest(target)

    def _ahead(self) -> Planes:
        return self.q[:, :-1] - self.q[:, -1:]

    def _send(self, change: Planes, nodes: tuple[Any, Any]) -> None:
        for part, room, weight in zip(self.parts, nodes, self.arrays.weights, strict=True):
            if weight:
                part.send(self.rows, change, room)


class LatticePart:
    """The appearance kernel on a lattice of its own, as a :class:`Part` of the mean field."""

    def __init__(self, lattice: Lattice) -> None:
        self.grid, self.operator = lattice.grid, lattice.operator
        self.rows = [self.grid.pixels(strip) for strip in self.grid.strips]

    def new_nodes(self, k: int) -> tuple[Any, Float[Tensor, "b ny nx k p"]]:
        grid = self.grid
        sent = torch.empty(grid.b, grid.ny, grid.nx, k, grid.p, device=grid.device)
        return self.operator.new_nodes(k), sent

    def send(self, rows: slice, change: Planes, nodes: Any) -> None:
        index = self.rows.index(rows)
        cells = nodes[1][:, self.grid.strips[index]]
        cells.copy_(to_cells(change, self.grid.s))
        self.operator.send(index, cells, nodes[0])

    def message(self, rows: slice, nodes: Any) -> Planes:
        index = self.rows.index(rows)
        strip = self.grid.strips[index]
        cells = self.operator.receive(index, nodes[0], nodes[1].shape[3])
        cells.addcmul_(self.grid.residual[:, strip], nodes[1][:, strip])
        return from_cells(cells, self.grid.s, rows.stop - rows.start, self.grid.w)
