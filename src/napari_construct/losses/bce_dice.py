"""Binary cross-entropy and soft Dice, both with weights: the form that several losses share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor


def weighted_mean(
    values: Float[Tensor, "b k h w"], weight: Shaped[Tensor, "#b #k #h #w"] | None = None
) -> Float[Tensor, ""]:
    """Mean of values with weights >= 0 (1 by default); 0 where all weights are 0."""
    if weight is None:
        return values.mean()
    w = weight.to(values).expand_as(values)
    return (w * values).sum() / w.sum().clamp_min(torch.finfo(values.dtype).tiny)


def soft_dice(
    probability: Float[Tensor, "b k h w"],
    target: Float[Tensor, "b k h w"],
    weight: Shaped[Tensor, "#b #k #h #w"] | None = None,
    smooth: float = 1.0,
) -> Float[Tensor, ""]:
    r"""One minus the soft Dice overlap of the whole batch.

    .. math:: L = 1 - \frac{2 \sum_i w_i p_i t_i + \epsilon}{\sum_i w_i (p_i^2 + t_i^2) + \epsilon}

    With squares in the denominator the optimum is p = t for soft targets, too. All pixels of the batch share
    one sum: an image without foreground would otherwise have an overlap of 0 whatever is predicted.

    Source: Milletari et al. 2016 (V-Net), section 3, with weights.

    Parameters
    ----------
    probability, target : Tensor
        p and t in [0, 1].
    weight : Tensor, optional
        w >= 0; 1 by default.
    smooth : float
        Epsilon, in pixels: the loss of an empty target and an empty prediction is 0.

    Returns
    -------
    Tensor
        Scalar from 0 to 1.
    """
    both, either = probability * target, probability.square() + target.square()
    if weight is not None:
        both, either = weight * both, weight * either
    return 1 - (2 * both.sum() + smooth) / (either.sum() + smooth)


def bce_dice(
    logits: Float[Tensor, "b k h w"],
    target: Shaped[Tensor, "b k h w"],
    weight: Shaped[Tensor, "#b #k #h #w"] | None = None,
) -> Float[Tensor, ""]:
    r"""Binary cross-entropy plus soft Dice with the same weights.

    .. math:: L = -\frac{\sum_i w_i \, [t_i \log \sigma(z_i) + (1 - t_i) \log (1 - \sigma(z_i))]}{\sum_i w_i}
              + L_{Dice}(\sigma(z), t; w)

    Cross-entropy judges every pixel, Dice the overlap whatever the share of the foreground.

    Parameters
    ----------
    logits : Tensor
        z.
    target : Tensor
        t in [0, 1], or bool; receives no gradient.
    weight : Tensor, optional
        w >= 0; 1 by default.

    Returns
    -------
    Tensor
        Scalar >= 0; 0 where all weights are 0.
    """
    wanted = target.detach().to(logits)
    w = None if weight is None else weight.detach().to(logits)
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return weighted_mean(entropy, w) + soft_dice(torch.sigmoid(logits), wanted, w)
