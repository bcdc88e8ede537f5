r"""Diversity: prototypes of one class represent different appearances.

A class's logit is that of its nearest prototype, so a prototype that is rarely nearest receives little
gradient and may become a copy. This loss keeps prototypes of one class apart; other losses separate classes.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def prototype_diversity(prototypes: Float[Tensor, "k p d"]) -> Float[Tensor, ""]:
    r"""Mean squared positive cosine between prototypes of one class.

    .. math:: L = \frac{1}{k\, p (p - 1)} \sum_c \sum_{i \ne j} \max(0, \cos(v_{ci}, v_{cj}))^2

    Right angles are apart enough: prototypes that point away from each other are pushed no further.

    Parameters
    ----------
    prototypes : Tensor
        p prototypes of each of k classes, of any length.

    Returns
    -------
    Tensor
        Scalar from 0 (at least right angles everywhere) to 1 (copies); 0 where p is 1.
    """
    k, p, _ = prototypes.shape
    unit = F.normalize(prototypes, dim=-1)
    cosine = (unit @ unit.transpose(1, 2)).clamp_min(0).square()
    pairs = cosine.sum() - cosine.diagonal(dim1=1, dim2=2).sum()
    return pairs / max(k * p * (p - 1), 1)


class PrototypeDiversity(nn.Module):
    """:func:`prototype_diversity` as a module."""

    def forward(self, prototypes: Tensor) -> Tensor:
        return prototype_diversity(prototypes)
