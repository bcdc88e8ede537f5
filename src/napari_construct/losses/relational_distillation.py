r"""Relational distillation: the student learns which places of an image are similar.

Source: ConStruct, section 2.1 (:math:`L_{struct}`), after relational knowledge distillation (Park et
al. 2019) and similarity-preserving distillation (Tung and Mori 2019).
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def affinity(level: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n n"]:
    """Cosine between all pairs of the n = h w places of a feature map, -1 to 1."""
    tokens = F.normalize(level.flatten(2).transpose(1, 2), dim=-1)
    return tokens @ tokens.transpose(1, 2)


def relational_distillation(
    student: Float[Tensor, "b c h w"], teacher: Float[Tensor, "b c2 h2 w2"]
) -> Float[Tensor, ""]:
    r"""Mean squared difference of the affinity matrices of student and teacher.

    .. math:: L = \frac{1}{b n^2} \sum_i \lVert A(S_i) - A(T_i) \rVert_F^2, \quad
              A(X) = \hat X \hat X^\top

    where the n rows of :math:`\hat X` are the L2-normalised features of the places. Because only
    cosines are compared, the two networks may have any number of channels, and neither a scale nor a
    rotation of the features changes the loss. The teacher is resized to the student's grid
    (bilinear) and receives no gradient.

    Time and memory grow with n squared: 14 x 14 places take 0.15 MB per image and matrix, 28 x 28
    take 2.5 MB, 56 x 56 take 39 MB, 128 x 128 take 1 GB. Choose the guidance level accordingly.

    Parameters
    ----------
    student : Tensor
        Refined level.
    teacher : Tensor
        The teacher's level; other channels and another grid are fine.

    Returns
    -------
    Tensor
        Scalar from 0 to 4.
    """
    target = teacher.detach()
    if target.shape[-2:] != student.shape[-2:]:
        target = F.interpolate(target, student.shape[-2:], mode="bilinear", align_corners=False)
    return F.mse_loss(affinity(student), affinity(target))


class RelationalDistillation(nn.Module):
    """:func:`relational_distillation` as a module."""

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return relational_distillation(student, teacher)
