"""Probability matching: the student's probability is the teacher's, pixel by pixel."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from napari_construct.losses.bce_dice import weighted_mean


def probability_matching(
    student_logits: Float[Tensor, "b k h w"],
    teacher_prob: Float[Tensor, "b k h w"],
    weight: Shaped[Tensor, "#b #k #h #w"] | None = None,
) -> Float[Tensor, ""]:
    r"""Mean squared difference between the student's and the teacher's probability.

    .. math:: L = \frac{\sum_i w_i \, (\sigma(z_i) - p_i)^2}{\sum_i w_i}

    The optimum is :math:`\sigma(z) = p`: what the teacher is unsure of, the student learns to be unsure of.
    In contrast to cross-entropy the loss is bounded, so that a pixel where a confident teacher errs costs at
    most 1. Its gradient by z, :math:`2 w (\sigma - p)\, \sigma (1 - \sigma)`, fades where the student is
    sure of the wrong answer; the other terms of the objective take over there.

    Source: ours, from the abstract of cross-modal distillation (arXiv 2606.00928), which names the term and
    gives no formula; as the score of a probability forecast, Brier 1950.

    Parameters
    ----------
    student_logits : Tensor
        z, one channel per map (foreground, boundary).
    teacher_prob : Tensor
        p in [0, 1]; receives no gradient.
    weight : Tensor, optional
        w >= 0, for example 0 where a pixel is padding; 1 by default.

    Returns
    -------
    Tensor
        Scalar from 0 to 1; 0 where all weights are 0.
    """
    difference = torch.sigmoid(student_logits) - teacher_prob.detach().to(student_logits)
    return weighted_mean(difference.square(), weight)


class ProbabilityMatching(nn.Module):
    """:func:`probability_matching` as a module."""

    def forward(self, student_logits: Tensor, teacher_prob: Tensor, weight: Tensor | None = None) -> Tensor:
        return probability_matching(student_logits, teacher_prob, weight)
