"""The kernels of a lattice applied by torch: any device, any splines, batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.crf.base.inputs import MIN_PROBABILITY
from napari_construct.crf.base.strips import Map
from napari_construct.crf.lowrank.grid import Grid, from_cells, to_cells
from napari_construct.crf.lowrank.operators import MeanFieldArrays, largest
from napari_construct.crf.lowrank.torch_band import Band, Workspaces


class TorchOperator:
    """As :class:`~napari_construct.crf.lowrank.operators.Operator` has it."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._kept: dict[int, Workspaces] = {}

    def new_nodes(self, k: int) -> Float[Tensor, "b m mx k r"]:
        grid = self.grid
        shape = (grid.b, len(grid.node_rows), grid.nx + grid.taps - 1, k, grid.rank + 1)
        return torch.empty(shape, dtype=grid.sums, device=grid.device)

    def free(self, *nodes: Tensor) -> None:
        """Nothing: torch keeps memory itself."""

    def apply(
        self,
        values: Float[Tensor, "b ny nx k p"],
        weights: Sequence[tuple[float, float]],
        run: Map,
        *,
        full: bool = True,
    ) -> list[Float[Tensor, "b ny nx k p"]]:
        """As the operator has it; ``full``: products are made in the type of the sums."""
        grid, k = self.grid, values.shape[3]
        dtype = grid.sums if full else grid.features.dtype
        nodes, spaces = self.new_nodes(k), Workspaces(grid, k, dtype)
        out = [torch.empty_like(values) for _ in weights]

        def splat(index: int) -> None:
            self._splat(index, values[:, grid.strips[index]], nodes, spaces)

        def gather(index: int) -> None:
            for pair, target in zip(weights, out, strict=True):
                target[:, grid.strips[index]] = self._gather(index, nodes, pair, spaces)

        for work in (splat, gather):
            for _ in run(work, range(len(grid.strips))):
                pass
        return out

    def normalise(self, smooth: Float[Tensor, "1 ny nx p"], least: float, run: Map) -> None:
        grid = self.grid
        (sums,) = self.apply(grid.inside.expand(grid.b, -1, -1, -1, -1), ((0.0, 1.0),), run, full=False)

        def scale(strip: slice) -> None:
            degree = sums[:, strip] + grid.residual[:, strip]
            root = degree.clamp_(min=least).rsqrt_().mul_(grid.inside[:, strip])
            grid.residual[:, strip] *= root.square()
            grid.features[:, strip] *= root.transpose(3, 4).to(grid.features.dtype)
            grid.features[:, strip, ..., -1] = smooth[:, strip].to(grid.features.dtype)

        for _ in run(scale, grid.strips):
            pass

    def send(self, index: int, values: Float[Tensor, "b y nx k p"], nodes: Tensor) -> None:
        self._splat(index, values, nodes, self._spaces(values.shape[3]))

    def receive(self, index: int, nodes: Tensor, k: int) -> Float[Tensor, "b y nx k p"]:
        return self._gather(index, nodes, (0.0, 1.0), self._spaces(k))

    def _spaces(self, k: int) -> Workspaces:
        return self._kept.setdefault(k, Workspaces(self.grid, k, self.grid.features.dtype))

    def _splat(self, index: int, values: Tensor, nodes: Tensor, spaces: Workspaces) -> None:
        band = Band(self.grid, index, spaces.k, (0.0, 0.0), spaces.dtype)
        room = spaces.take(band.y)
        room.given_cells.copy_(values)
        band.splat(room, band.port(nodes))
        spaces.give(band.y, room)

    def _gather(self, index: int, nodes: Tensor, weights: tuple[float, float], spaces: Workspaces) -> Tensor:
        band = Band(self.grid, index, spaces.k, weights, spaces.dtype)
        room = spaces.take(band.y)
        band.blur(room, band.port(nodes))
        values = band.slice(room).clone()
        spaces.give(band.y, room)
        return values

    def strips(self, arrays: MeanFieldArrays) -> list[TorchStrip]:
        spaces = Workspaces(self.grid, arrays.order.shape[1] - 1, self.grid.features.dtype)
        return [TorchStrip(self.grid, index, arrays, spaces) for index in range(len(self.grid.strips))]


@dataclass
class TorchStrip:
    """The state of one strip: rows of cells of all images of a batch.

    ``logits`` are the unaries plus all messages but the self terms and what labels have in common, ``q``
    the probabilities, both (b, y, nx, k, p) with the labels in the order of the arrays; ``ahead`` are the
    last two (b, y, nx, k - 1, p) differences of probabilities from the last label's.
    """

    grid: Grid
    index: int
    arrays: MeanFieldArrays
    spaces: Workspaces

    def start(self, nodes: list[Float[Tensor, "b m mx km1 r"]]) -> None:
        grid, arrays = self.grid, self.arrays
        rows = grid.strips[self.index]
        self.pixels = grid.pixels(rows)
        self.images = torch.arange(grid.b, device=grid.device)[:, None]
        cells = to_cells(arrays.probabilities[:, :, self.pixels][self.images, arrays.order], grid.s)
        q = cells.clamp(MIN_PROBABILITY, 1.0)
        self.logits = q.log()
        q /= q.sum(3, keepdim=True)
        self.q, self.most, self.last = q, q[:, :, :, :-1], q[:, :, :, -1:]
        self.most_logits = self.logits[:, :, :, :-1]
        self.ahead = [self.most - self.last, torch.empty_like(self.most)]
        self.residual = grid.residual[:, rows] * arrays.weights[1]
        self.band = Band(grid, self.index, q.shape[3] - 1, arrays.weights, grid.features.dtype)
        self.ports = [self.band.port(array) for array in nodes]
        room = self.spaces.take(self.band.y)
        room.given_cells.copy_(self.ahead[0])
        self.band.splat(room, self.ports[0])
        self.spaces.give(self.band.y, room)

    def step(self, number: int, last: bool) -> None:
        turn = number % 2
        room = self.spaces.take(self.band.y)
        self.band.blur(room, self.ports[turn])
        self.most_logits.add_(self.band.slice(room))
        torch.addcmul(self.logits, self.residual, self.q, out=room.logits)
        torch.softmax(room.logits, 3, out=self.q)
        if not last:
            torch.sub(self.most, self.last, out=self.ahead[1 - turn])
            torch.sub(self.ahead[1 - turn], self.ahead[turn], out=room.given_cells)
            self.band.splat(room, self.ports[1 - turn])
        self.spaces.give(self.band.y, room)

    def finish(self) -> None:
        target = self.arrays.out[:, :, self.pixels]
        target[self.images, self.arrays.order] = from_cells(self.q, self.grid.s, *target.shape[2:])
        if self.arrays.labels is not None:
            self.arrays.labels[:, self.pixels] = largest(target)
