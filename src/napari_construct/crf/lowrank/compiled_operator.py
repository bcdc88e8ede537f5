"""The kernels of a lattice applied by compiled functions: one image, linear splines, a processor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.crf.base.inputs import MIN_PROBABILITY
from napari_construct.crf.base.numba_gate import Flat, flat, kernels_serve, rounded
from napari_construct.crf.base.strips import Map
from napari_construct.crf.lowrank.compiled_band import CompiledBand, Rooms
from napari_construct.crf.lowrank.grid import Grid
from napari_construct.crf.lowrank.operators import MeanFieldArrays


def serves(grid: Grid) -> bool:
    """Whether the kernels may work on a grid."""
    return grid.taps == 2 and grid.sums == torch.float32 and kernels_serve(grid.device, grid.b)


class CompiledOperator:
    """As :class:`~napari_construct.crf.lowrank.operators.Operator` has it."""

    def __init__(self, grid: Grid) -> None:
        from napari_construct.crf.kernels import lattice_kernels

        self.grid, self.rooms, self.kernels = grid, Rooms(), lattice_kernels

    @cached_property
    def bands(self) -> list[CompiledBand]:
        """The strips; they are kept, so that next to nothing is left to do between two kernels."""
        return [CompiledBand(self.grid, index, self.rooms) for index in range(len(self.grid.strips))]

    def new_nodes(self, k: int) -> Flat:
        """As the operator has it: (m, mx, k, r), blurred along x."""
        grid = self.grid
        return self.rooms.take(len(grid.node_rows) * (grid.nx + 1) * k * (grid.rank + 1))

    def free(self, *nodes: Flat) -> None:
        self.rooms.give(*nodes)

    def apply(
        self, values: Float[Tensor, "1 ny nx k p"], weights: Sequence[tuple[float, float]], run: Map
    ) -> list[Float[Tensor, "1 ny nx k p"]]:
        k, out = values.shape[3], [values.new_empty(values.shape) for _ in weights]

        def gather(nodes: Flat, band: CompiledBand) -> None:
            for pair, target in zip(weights, out, strict=True):
                self._gather(band, nodes, k, pair, target[:, band.rows])

        self._splat_then(gather, values.contiguous(), run)
        return out

    def normalise(self, smooth: Float[Tensor, "1 ny nx p"], least: float, run: Map) -> None:
        inside = self.grid.inside

        def scale(nodes: Flat, band: CompiledBand) -> None:
            room = self._blurred(band, nodes, 1, (0.0, 1.0))
            inside_band, last = (flat(array[:, band.rows]) for array in (inside, smooth))
            given = band.features, band.splines, inside_band, band.residual, last, np.float32(least)
            self.kernels.normalise(room, *given, band.y, band.nx, band.s, band.r)
            self.rooms.give(room)

        self._splat_then(scale, inside, run)

    def strips(self, arrays: MeanFieldArrays) -> list[CompiledStrip]:
        return [CompiledStrip(band, arrays) for band in self.bands]

    def send(self, index: int, values: Float[Tensor, "1 y nx k p"], nodes: Flat) -> None:
        self._splat(self.bands[index], values, nodes)

    def receive(self, index: int, nodes: Flat, k: int) -> Float[Tensor, "1 y nx k p"]:
        band = self.bands[index]
        out = torch.empty(1, band.y, band.nx, k, band.s**2)
        self._gather(band, nodes, k, (0.0, 1.0), out)
        return out

    def _splat(self, band: CompiledBand, values: Float[Tensor, "1 y nx k p"], nodes: Flat) -> None:
        k = values.shape[3]
        given = flat(values), band.features, band.splines
        self.kernels.splat(*given, *band.sends(nodes, k), *band.sizes(k))

    def _gather(
        self,
        band: CompiledBand,
        nodes: Flat,
        k: int,
        weights: tuple[float, float],
        out: Float[Tensor, "1 y nx k p"],
    ) -> None:
        room = self._blurred(band, nodes, k, weights)
        self.kernels.gather(room, band.features, band.splines, flat(out), *band.sizes(k))
        self.rooms.give(room)

    def _blurred(self, band: CompiledBand, nodes: Flat, k: int, weights: tuple[float, float]) -> Flat:
        """Both kernels times ``weights`` for the nodes that a band sees; a room that begins with them."""
        room = band.room(k)
        self.kernels.blur(room, *band.blurs(nodes, k, weights))
        return room

    def _splat_then(
        self, work: Callable[[Flat, CompiledBand], None], values: Float[Tensor, "1 ny nx k p"], run: Map
    ) -> None:
        """Splat contiguous values with all bands, and then do something with the nodes and every band."""
        k = values.shape[3]
        nodes = self.new_nodes(k)

        def splat(band: CompiledBand) -> None:
            self._splat(band, values[:, band.rows], nodes)

        for step in (splat, partial(work, nodes)):
            for _ in run(step, self.bands):
                pass
        self.free(nodes)


@dataclass
class CompiledStrip:
    """The state of one strip of one image.

    ``logits`` and ``q`` are as in torch's strip, (y, nx, k, plane) with planes as long as kernels like them.
    Nothing is kept of the last differences, because the kernel takes the change when it writes new
    probabilities.
    """

    band: CompiledBand
    arrays: MeanFieldArrays

    def start(self, nodes: list[Flat]) -> None:
        from napari_construct.crf.kernels import meanfield_kernels

        band, arrays, k = self.band, self.arrays, self.arrays.order.shape[1]
        self.kernels = meanfield_kernels
        size = band.y * band.nx * k * rounded(band.s**2)
        self.logits, self.q = (band.rooms.take(size) for _ in range(2))
        self.given = [self._given(*nodes), self._given(*reversed(nodes))]
        self.kernels.begin(
            flat(arrays.probabilities),
            flat(arrays.order),
            np.float32(MIN_PROBABILITY),
            band.top,
            *arrays.out.shape[2:],
            self.logits,
            self.q,
            band.features,
            band.splines,
            *band.sends(nodes[0], k - 1),
            *band.sizes(k - 1),
        )

    def _given(self, nodes: Flat, others: Flat) -> tuple[Any, ...]:
        """What an iteration takes that reads the first of two arrays of nodes and sends to the other."""
        band, k = self.band, self.arrays.order.shape[1] - 1
        blurs, sends = band.blurs(nodes, k, self.arrays.weights), band.sends(others, k)
        state = self.logits, self.q, band.residual, band.features, band.splines
        return *blurs, *state, *sends, band.y, band.nx, band.s

    def step(self, number: int, last: bool) -> None:
        room = self.band.room(self.arrays.order.shape[1] - 1)
        self.kernels.step(room, *self.given[number % 2], last)
        self.band.rooms.give(room)

    def finish(self) -> None:
        band, arrays = self.band, self.arrays
        labels = np.empty(0, np.uint8) if arrays.labels is None else flat(arrays.labels)
        place = flat(arrays.order.argsort())
        sizes = *arrays.out.shape[2:], band.y, band.nx, band.s
        self.kernels.finish(self.q, place, flat(arrays.out), labels, band.top, *sizes)
        band.rooms.give(self.logits, self.q)
