"""The mean field on a lattice in a form with gradients."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from napari_construct.crf.base.inputs import unary_energy
from napari_construct.crf.lowrank.grid import from_cells, to_cells
from napari_construct.crf.lowrank.lattice import Lattice


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
    logits = to_cells(-unary_energy(probabilities), lattice.grid.s)
    log_q = torch.log_softmax(logits, 3)
    for _ in range(iterations):
        smooth, appearance = _Messages.apply(log_q.exp(), lattice)
        log_q = torch.log_softmax(logits + weights[0] * smooth + weights[1] * appearance, 3)
    return from_cells(log_q if logarithm else log_q.exp(), lattice.grid.s, h, w)


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
