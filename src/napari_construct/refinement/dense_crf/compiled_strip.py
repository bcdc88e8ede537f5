"""One strip of the mean field by compiled kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.refinement.dense_crf.compiled import CompiledBand, Flat, flat, rounded
from napari_construct.refinement.dense_crf.inputs import MIN_PROBABILITY
from napari_construct.refinement.dense_crf.lattice import Lattice


@dataclass
class CompiledStrip:
    """The state of one strip of one image.

    ``logits`` and ``q`` are as in torch's strip, (y, nx, k, plane) with planes as long as kernels like them.
    Nothing is kept of the last differences, because the kernel takes the change when it writes new
    probabilities.
    """

    lattice: Lattice
    index: int
    probabilities: Float[Tensor, "1 k h w"]
    order: list[list[int]]
    weights: tuple[float, float]

    def start(self, nodes: list[Flat]) -> None:
        """Set up the state and send it to the first of the two arrays of nodes."""
        lattice, self.nodes = self.lattice, nodes
        self.rows = lattice.strips()[self.index]
        self.top = lattice.pixels(self.rows).start
        _, k, h, w = self.probabilities.shape
        self.band = band = CompiledBand(lattice, self.index, k - 1, self.weights)
        size = band.y * lattice.nx * k * rounded(lattice.p)
        self.logits, self.q = (lattice.rooms.take(size) for _ in range(2))
        band.kernels.begin(
            flat(self.probabilities),
            np.array(self.order[0]),
            np.float32(MIN_PROBABILITY),
            self.top,
            h,
            w,
            self.logits,
            self.q,
            band.features,
            band.splines,
            *band.send_to(nodes[0]),
            *band.sizes,
        )

    def step(self, turn: int, last: bool) -> None:
        """One iteration; send the change to the other array of nodes."""
        band = self.band
        blurred, room = band.blur(self.nodes[turn], self.lattice.rooms)
        band.kernels.step(
            blurred,
            self.logits,
            self.q,
            flat(self.lattice.residual[:, self.rows]),
            np.float32(self.weights[1]),
            band.features,
            band.splines,
            *band.send_to(self.nodes[1 - turn]),
            *band.sizes,
            last,
        )
        self.lattice.rooms.give(room)

    def finish(self, out: Float[Tensor, "1 k h w"], labels: UInt8[Tensor, "1 h w"] | None) -> None:
        """Write the strip's probabilities in the order given, and its labels."""
        band, (h, w) = self.band, out.shape[2:]
        given = np.empty(0, np.uint8) if labels is None else flat(labels)
        place = np.argsort(self.order[0])
        band.kernels.finish(self.q, place, flat(out), given, self.top, h, w, *band.sizes[:3])
        self.lattice.rooms.give(self.logits, self.q)
