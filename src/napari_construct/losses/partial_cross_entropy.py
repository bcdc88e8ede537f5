"""Cross-entropy where the class is known, and nowhere else."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

UNKNOWN: Final = 255
"""Value of a pixel or cell whose class is left open."""


def partial_cross_entropy(
    logits: Float[Tensor, "b k h w"],
    truth: UInt8[Tensor, "b h w"],
    weights: Float[Tensor, " k"] | None = None,
) -> Float[Tensor, ""]:
    r"""Mean cross-entropy of the pixels whose class is known; 0 where none is.

    .. math:: L = -\frac{\sum_{i \in \Omega} w_{y_i} \log p_{i y_i}}{\sum_{i \in \Omega} w_{y_i}}

    over the known pixels :math:`\Omega`. Others have no gradient. Source: partial cross-entropy on scribbles
    (Tang et al. 2018, "Normalized cut loss for weakly-supervised CNN segmentation").

    Parameters
    ----------
    logits : Tensor
        Of every pixel.
    truth : Tensor
        Class of every pixel, ``UNKNOWN`` where it is left open.
    weights : Tensor, optional
        w of each class. None gives every class that occurs the same total weight, however many pixels it has.
    """
    known = truth != UNKNOWN
    if not bool(known.any()):
        return logits.sum() * 0
    if weights is None:
        count = torch.bincount(truth[known].long(), minlength=logits.shape[1])
        weights = 1 / count.clamp_min(1).to(logits.dtype)
    return F.cross_entropy(logits, truth.long(), weights, ignore_index=UNKNOWN)
