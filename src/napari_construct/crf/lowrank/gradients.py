"""The mean field in a form with gradients."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from napari_construct.crf.base.inputs import unary_energy
from napari_construct.crf.lowrank.operators import Kernels


def differentiable_mean_field(
    kernels: Kernels,
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
    logits = -unary_energy(probabilities)
    log_q = torch.log_softmax(logits, 1)
    for _ in range(iterations):
        smooth, appearance = _Messages.apply(log_q.exp(), kernels)
        log_q = torch.log_softmax(logits + weights[0] * smooth + weights[1] * appearance, 1)
    return log_q if logarithm else log_q.exp()


class _Messages(torch.autograd.Function):
    """Both normalised kernels times q; each is symmetric, so the backward pass is the same product."""

    @staticmethod
    def forward(ctx: Any, q: Float[Tensor, "b k h w"], kernels: Kernels) -> tuple[Tensor, Tensor]:
        ctx.kernels = kernels
        return kernels.messages(q)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, smooth: Tensor, appearance: Tensor) -> tuple[Tensor, None]:
        kernels: Kernels = ctx.kernels
        return kernels.messages(smooth)[0] + kernels.messages(appearance)[1], None
