"""Image-level classification loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def classification_loss(
    logits: Float[Tensor, "b k"],
    labels: Float[Tensor, "b k"],
    positive_weight: Float[Tensor, " k"] | None = None,
) -> Float[Tensor, ""]:
    r"""Binary cross-entropy of every class on its own; classes do not exclude each other.

    .. math:: L = -\frac{1}{bk} \sum_{ic} w_c\, y_{ic} \log \sigma(z_{ic})
              + (1 - y_{ic}) \log (1 - \sigma(z_{ic}))

    Source: ConStruct, section 2.2 (:math:`L_{cls}`), with :math:`w = 1`.

    Parameters
    ----------
    logits : Tensor
        Pooled CAM logits.
    labels : Tensor
        1 where the class occurs in the image, 0 where it does not.
    positive_weight : Tensor, optional
        (k,) w, see :func:`class_balance`; 1 by default.
    """
    return F.binary_cross_entropy_with_logits(logits, labels.to(logits), pos_weight=positive_weight)


def class_balance(labels: Float[Tensor, "n k"], limit: float = 10.0) -> Float[Tensor, " k"]:
    """Negatives per positive of each class over a data set, bounded to [1 / limit, limit].

    As ``positive_weight`` it gives positives and negatives of a class the same total weight. The bound keeps
    a class with few positives from dominating the gradient. A class without positives gets ``limit``.
    """
    if not limit >= 1:
        raise ValueError(f"expected a limit of at least 1, got {limit}; use 10")
    positives = labels.sum(0).float()
    ratio = (len(labels) - positives) / positives.clamp_min(torch.finfo(torch.float32).tiny)
    return ratio.clamp(1 / limit, limit)


class Classification(nn.Module):
    """:func:`classification_loss` with fixed weights."""

    positive_weight: Tensor | None

    def __init__(self, positive_weight: Float[Tensor, " k"] | None = None) -> None:
        super().__init__()
        self.register_buffer("positive_weight", positive_weight)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return classification_loss(logits, labels, self.positive_weight)
