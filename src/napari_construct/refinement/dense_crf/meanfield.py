"""The mean field on a lattice: a fused form for speed, a differentiable form for learning.

Two facts save work and digits in the fused form. Labels compete: whatever all labels have in common
cancels in the softmax, so the messages of q - 1/k serve as well as those of q, and because these sum
to zero over the labels, the last label's message is minus the sum of the others' and is never
computed (labels are sorted by their total probability, whatever the order given). Messages
are linear: after the first iteration only the change of q is splatted and sliced, and its message
added to the last one; rounding to bfloat16 is then relative to the change, which falls tenfold
within two iterations.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from napari_construct.refinement.dense_crf.inputs import unary_energy
from napari_construct.refinement.dense_crf.lattice import Lattice


@torch.no_grad()
def mean_field(
    lattice: Lattice,
    probabilities: Float[Tensor, "b k h w"],
    weights: tuple[float, float],
    iterations: int,
) -> Float[Tensor, "b k h w"]:
    """Refine probabilities; ``weights`` are those of the smoothness and the appearance kernel."""
    k = probabilities.shape[1]
    if k == 1:
        return torch.ones_like(probabilities)
    # sorted by weight, so that the result does not depend on the order in which labels are given
    order = probabilities.sum((2, 3), dtype=torch.float64).argsort(1)
    logits = lattice.cells.split(unary_energy(_take(probabilities, order)).neg_())
    refined = _iterate(lattice, logits, weights, iterations)
    return _take(lattice.cells.join(refined), order.argsort(1))


def _take(planes: Float[Tensor, "b k h w"], order: Int[Tensor, "b k"]) -> Float[Tensor, "b k h w"]:
    """Planes of every image in an order of its own."""
    return torch.stack([image[rows] for image, rows in zip(planes, order, strict=True)])


def _iterate(
    lattice: Lattice, logits: Float[Tensor, "b ny nx k p"], weights: tuple[float, float], iterations: int
) -> Float[Tensor, "b ny nx k p"]:
    """Run the iterations; ``logits`` become the unaries plus all messages but the self terms."""
    q = torch.softmax(logits, 3)
    residual = lattice.residual * weights[1]
    strips = lattice.strips()
    nodes = lattice.new_nodes(logits.shape[3] - 1)
    for rows in strips:
        lattice.splat(q[:, rows, :, :-1] - 1.0 / q.shape[3], nodes, rows)
    for iteration in range(iterations):
        windows = lattice.windows(lattice.blur(nodes, *weights))
        nodes = nodes.zero_()
        for rows in strips:
            message = lattice.slice(windows, rows)
            part = logits[:, rows]
            part[:, :, :, :-1] += message
            part[:, :, :, -1] -= message.sum(3)
            updated = torch.softmax(torch.addcmul(part, residual[:, rows], q[:, rows]), 3)
            if iteration < iterations - 1:
                change = updated[:, :, :, :-1] - q[:, rows, :, :-1]
                lattice.splat(change, nodes, rows)
            q[:, rows] = updated
    return q


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
    logits = lattice.cells.split(-unary_energy(probabilities))
    log_q = torch.log_softmax(logits, 3)
    for _ in range(iterations):
        smooth, appearance = _Messages.apply(log_q.exp(), lattice)
        log_q = torch.log_softmax(logits + weights[0] * smooth + weights[1] * appearance, 3)
    return lattice.cells.join(log_q if logarithm else log_q.exp())


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
