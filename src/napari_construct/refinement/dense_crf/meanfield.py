"""The mean field on a lattice: a fused form for speed, a differentiable form for learning.

Two facts save work and digits in the fused form. Labels compete: whatever all labels have in common
cancels in the softmax, so the messages of the k - 1 differences q_l - q_last serve as well as those of
the k probabilities, and the last label never gets one. The last is the label with the most
probability in all, whatever the order given: where a label competes with it, rounding is relative to
their difference, and labels with the same probabilities keep them. Messages are linear: after the first
iteration only the change of the differences is splatted and sliced, and its message added to the last
one; rounding to bfloat16 is then relative to the change, which falls tenfold within two iterations.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.autograd.function import once_differentiable

from napari_construct.refinement.dense_crf.band import Band, Workspaces
from napari_construct.refinement.dense_crf.compiled import new_nodes
from napari_construct.refinement.dense_crf.compiled_strip import compiled_strips
from napari_construct.refinement.dense_crf.inputs import MIN_PROBABILITY, unary_energy
from napari_construct.refinement.dense_crf.lattice import Lattice, from_cells, to_cells
from napari_construct.refinement.dense_crf.strips import one_thread, workers

MAX_COMPARED = 16


Refined = tuple[Float[Tensor, "b k h w"], UInt8[Tensor, "b h w"] | None]
"""Probabilities and, for up to 16 labels, the index of the largest."""


def mean_field_steps(
    lattice: Lattice,
    probabilities: Float[Tensor, "b k h w"],
    weights: tuple[float, float],
    iterations: int,
) -> Generator[None, None, Refined]:
    """Refine probabilities, yielding after every iteration; nothing is held between two of them.

    ``weights`` are those of the smoothness and the appearance kernel.
    """
    b, k, h, w = probabilities.shape
    if k == 1:
        yield from repeat(None, iterations)
        return torch.ones_like(probabilities), probabilities.new_zeros(b, h, w, dtype=torch.uint8)
    given = probabilities.detach()
    if not iterations:
        q = given.clamp(MIN_PROBABILITY, 1.0)
        return q / q.sum(1, keepdim=True), None
    field = _MeanField(lattice, given.contiguous(), weights)
    for iteration in range(iterations):
        field.iterate(iteration, last=iteration == iterations - 1)
        yield
    return field.out, field.labels


class _MeanField:
    """The state of all strips; threads and the absence of gradients last for one call only."""

    def __init__(
        self, lattice: Lattice, probabilities: Float[Tensor, "b k h w"], weights: tuple[float, float]
    ) -> None:
        self.lattice = lattice
        b, k, h, w = probabilities.shape
        # sorted by weight, so that the result does not depend on the order in which labels are given
        with one_thread():
            order = probabilities.sum((2, 3)).argsort(dim=1, stable=True)
        self.out = torch.empty_like(probabilities)
        self.labels = self.out.new_empty(b, h, w, dtype=torch.uint8) if k <= MAX_COMPARED else None
        make: Callable[..., Sequence[_AnyStrip]] = compiled_strips if lattice.compiled else _strips
        self.strips = make(lattice, probabilities, order, weights, self.out, self.labels)
        self.nodes: list[Any] = [_new_nodes(lattice, k - 1) for _ in range(2)]

    def iterate(self, number: int, *, last: bool) -> None:
        def start(strip: _AnyStrip) -> None:
            strip.start(self.nodes)

        def step(strip: _AnyStrip) -> None:
            strip.step(number, last)
            if last:
                strip.finish()

        with torch.no_grad(), workers(self.lattice.device) as run:
            for work in [step] if number else [start, step]:
                for _ in run(work, self.strips):
                    pass
        if last and self.lattice.compiled:
            self.lattice.rooms.give(*self.nodes)


@runtime_checkable
class _AnyStrip(Protocol):
    def start(self, nodes: list[Any], /) -> None: ...
    def step(self, number: int, last: bool, /) -> None: ...
    def finish(self) -> None: ...


def _new_nodes(lattice: Lattice, k: int) -> Any:
    return new_nodes(lattice, k) if lattice.compiled else lattice.new_nodes(k)


def _strips(
    lattice: Lattice,
    probabilities: Float[Tensor, "b k h w"],
    order: Int[Tensor, "b k"],
    weights: tuple[float, float],
    out: Float[Tensor, "b k h w"],
    labels: UInt8[Tensor, "b h w"] | None,
) -> Sequence[_AnyStrip]:
    spaces = Workspaces(lattice, probabilities.shape[1] - 1, lattice.dtype)
    given = (probabilities, order, weights, out, labels, spaces)
    return [_Strip(lattice, index, *given) for index in range(len(lattice.strips()))]


@dataclass
class _Strip:
    """The state of one strip: rows of cells of all images of a batch.

    ``logits`` are the unaries plus all messages but the self terms and what labels have in common, ``q``
    the probabilities, both (b, y, nx, k, p) with the labels in the order of ``order``; ``ahead`` are the
    last two (b, y, nx, k - 1, p) differences of probabilities from the last label's. Results go to ``out``
    and ``labels``.
    """

    lattice: Lattice
    index: int
    probabilities: Float[Tensor, "b k h w"]
    order: Int[Tensor, "b k"]
    weights: tuple[float, float]
    out: Float[Tensor, "b k h w"]
    labels: UInt8[Tensor, "b h w"] | None
    spaces: Workspaces

    def start(self, nodes: list[Float[Tensor, "b m mx km1 r"]]) -> None:
        """Set up the state and send it to the first of the two arrays of nodes."""
        lattice = self.lattice
        self.rows = lattice.strips()[self.index]
        part = self.probabilities[:, :, lattice.pixels(self.rows)]
        self.images = torch.arange(lattice.b, device=lattice.device)[:, None]
        cells = to_cells(part[self.images, self.order], lattice.s)
        q = cells.clamp(MIN_PROBABILITY, 1.0)
        self.logits = q.log()
        q /= q.sum(3, keepdim=True)
        k = q.shape[3]
        self.q, self.most, self.last = q, q[:, :, :, :-1], q[:, :, :, -1:]
        self.most_logits = self.logits[:, :, :, :-1]
        self.ahead = [self.most - self.last, torch.empty_like(self.most)]
        self.residual = lattice.residual[:, self.rows] * self.weights[1]
        self.band = Band(lattice, self.index, k - 1, self.weights)
        self.ports = [self.band.port(array) for array in nodes]
        room = self.spaces.take(self.band.y)
        room.given_cells.copy_(self.ahead[0])
        self.band.splat(room, self.ports[0])
        self.spaces.give(self.band.y, room)

    def step(self, number: int, last: bool) -> None:
        """An iteration; send the change to the other array of nodes."""
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
        """Write the strip's probabilities in the order given, and its labels."""
        target = self.out[:, :, self.lattice.pixels(self.rows)]
        target[self.images, self.order] = from_cells(self.q, self.lattice.s, *target.shape[2:])
        if self.labels is not None:
            self.labels[:, self.lattice.pixels(self.rows)] = _largest(target)


def _largest(planes: Float[Tensor, "b k h w"]) -> UInt8[Tensor, "b h w"]:
    """Index of the first largest plane; comparisons of few planes are faster than an argmax."""
    best = planes[:, 0].clone()
    index = torch.zeros_like(best, dtype=torch.uint8)
    for j in range(1, planes.shape[1]):
        index.masked_fill_(planes[:, j] > best, j)
        torch.maximum(best, planes[:, j], out=best)
    return index


def differentiable_mean_field(
    lattice: Lattice,
    probabilities: Float[Tensor, "b k h w"],
    weights: tuple[float | Tensor, float | Tensor],
    iterations: int,
    *,
    logarithm: bool = False,
) -> Float[Tensor, "b k h w"]:
    """Refine with gradients to the probabilities and to weights given as tensors.

    With ``logarithm`` the logarithms of the refined probabilities are returned, which a likelihood
    needs where strong kernels drive probabilities to 0.
    """
    h, w = probabilities.shape[2:]
    logits = to_cells(-unary_energy(probabilities), lattice.s)
    log_q = torch.log_softmax(logits, 3)
    for _ in range(iterations):
        smooth, appearance = _Messages.apply(log_q.exp(), lattice)
        log_q = torch.log_softmax(logits + weights[0] * smooth + weights[1] * appearance, 3)
    return from_cells(log_q if logarithm else log_q.exp(), lattice.s, h, w)


class _Messages(torch.autograd.Function):
    """Both normalised kernels times q; each is symmetric, so the backward pass is the same product."""

    @staticmethod
    def forward(ctx: Any, q: Float[Tensor, "b ny nx k p"], lattice: Lattice) -> tuple[Tensor, Tensor]:
        ctx.lattice = lattice
        return lattice.messages(q)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, smooth: Tensor, appearance: Tensor) -> tuple[Tensor, None]:
        lattice: Lattice = ctx.lattice
        return lattice.messages(smooth)[0] + lattice.messages(appearance)[1], None
