"""One strip of the mean field by compiled kernels.

What can be is made before the first iteration: between two kernels only one thread may run Python, whose own
data have left the processor's cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from napari_construct.refinement.dense_crf.compiled import CompiledBand, Flat, Rooms, flat, load, rounded
from napari_construct.refinement.dense_crf.inputs import MIN_PROBABILITY
from napari_construct.refinement.dense_crf.lattice import Lattice

ROUGH_FROM = 1
"""The first iteration that rounds what it multiplies: what is left to do then is a tenth of what was."""


@dataclass(frozen=True)
class _Job:
    """What the strips of an image share: probabilities (k, h, w) given, and where the refined ones go.

    ``order`` are the labels as cells keep them, ``place`` where each label is there; ``labels`` (h, w) may
    be empty.
    """

    probabilities: Flat
    order: Flat
    place: Flat
    out: Flat
    labels: Flat
    h: int
    w: int
    weights: tuple[float, float]
    rooms: Rooms


def compiled_strips(
    lattice: Lattice,
    probabilities: Float[Tensor, "1 k h w"],
    order: Int[Tensor, "1 k"],
    weights: tuple[float, float],
    out: Float[Tensor, "1 k h w"],
    labels: UInt8[Tensor, "1 h w"] | None,
) -> list[CompiledStrip]:
    """Strips of a lattice that refine contiguous probabilities, and write them and the labels."""
    job = _Job(
        flat(probabilities),
        flat(order),
        flat(order.argsort()),
        flat(out),
        np.empty(0, np.uint8) if labels is None else flat(labels),
        out.shape[2],
        out.shape[3],
        weights,
        lattice.rooms,
    )
    return [CompiledStrip(band, job) for band in lattice.bands]


@dataclass
class CompiledStrip:
    """The state of one strip of one image.

    ``logits`` and ``q`` are as in torch's strip, (y, nx, k, plane) with planes as long as kernels like them.
    Nothing is kept of the last differences, because the kernel takes the change when it writes new
    probabilities.
    """

    band: CompiledBand
    job: _Job

    def start(self, nodes: list[Flat]) -> None:
        """Set up the state and send it to the first of the two arrays of nodes."""
        band, job, k = self.band, self.job, self.job.order.size
        self.kernels = load("iterations")
        size = band.y * band.nx * k * rounded(band.s**2)
        self.logits, self.q = (job.rooms.take(size) for _ in range(2))
        self.given = [self._given(*nodes), self._given(*reversed(nodes))]
        self.kernels.begin(
            job.probabilities,
            job.order,
            np.float32(MIN_PROBABILITY),
            band.top,
            job.h,
            job.w,
            self.logits,
            self.q,
            band.features,
            band.splines,
            *band.send_to(nodes[0], k - 1),
            *band.sizes(k - 1),
        )

    def _given(self, nodes: Flat, others: Flat) -> tuple[Any, ...]:
        """What an iteration takes that reads the first of two arrays of nodes and sends to the other."""
        band, k = self.band, self.job.order.size - 1
        blurs, sends = band.blurs(nodes, k, self.job.weights), band.send_to(others, k)
        state = self.logits, self.q, band.residual, band.features, band.splines
        return *blurs, *state, *sends, band.y, band.nx, band.s

    def step(self, number: int, last: bool) -> None:
        """An iteration; send the change to the other array of nodes."""
        room = self.band.room(self.job.rooms, self.job.order.size - 1)
        self.kernels.step(room, *self.given[number % 2], number >= ROUGH_FROM, last)
        self.job.rooms.give(room)

    def finish(self) -> None:
        """Write the strip's probabilities in the order given, and its labels."""
        band, job = self.band, self.job
        sizes = job.h, job.w, band.y, band.nx, band.s
        self.kernels.finish(self.q, job.place, job.out, job.labels, band.top, *sizes)
        job.rooms.give(self.logits, self.q)
