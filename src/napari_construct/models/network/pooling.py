"""From a CAM to an image's class logits."""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

STRONGEST: Final = 0.1
"""Share of the cells that "strongest" pools."""


def pool_logits(
    cam: Float[Tensor, "b k h w"], pooling: str, share: Float[Tensor, "b h w"] | None = None
) -> Float[Tensor, "b k"]:
    """Pool CAM logits over space.

    ``mean`` is the published one: a class must cover half of the image to be predicted present.
    ``log_mean_exp`` is a smooth maximum, ``log(mean(exp(x)))`` (Pinheiro and Collobert 2015).
    ``attention`` weighs each pixel by its own probability, ``sum(p x) / sum(p)``, so that the
    pixels of the class decide and the others stay free.
    ``strongest`` is for classes that exclude each other: the log-odds of the class against all others,
    ``x_c - log(sum_{j != c} exp(x_j))``, averaged over the tenth of the cells where they are highest
    (top-k pooling, Durand et al. 2016). With one class the logit itself is taken.

    Parameters
    ----------
    cam : Tensor
        Logits.
    pooling : {"mean", "log_mean_exp", "attention", "strongest"}
        The rule.
    share : Tensor, optional
        0 to 1, how much of each cell belongs to what is pooled; everything by default. Where it is 0
        in the whole image, so are the logits. "strongest" takes the cells that belong mostly, or else
        partly, to it.
    """
    if pooling == "strongest":
        return _strongest(log_odds(cam).flatten(2), None if share is None else share.flatten(1))
    flat = cam.flatten(2)
    part = torch.ones_like(flat[:, :1]) if share is None else share.to(flat).flatten(1)[:, None]
    if pooling == "log_mean_exp":
        lowest = torch.finfo(flat.dtype).tiny
        total = part.sum(-1)
        pooled = torch.logsumexp(flat + part.clamp_min(lowest).log(), -1) - total.clamp_min(lowest).log()
        return torch.where(total > 0, pooled, torch.zeros_like(pooled))
    weight = part if pooling == "mean" else part * (flat.detach().sigmoid() + 1e-4)
    return (weight * flat).sum(-1) / weight.sum(-1).clamp_min(1e-6)


def log_odds(cam: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k h w"]:
    """Log-odds of each class against all others under the softmax over classes."""
    k = cam.shape[1]
    if k == 1:
        return cam
    others = [torch.logsumexp(cam[:, [j for j in range(k) if j != c]], 1) for c in range(k)]
    return cam - torch.stack(others, 1)


def _strongest(odds: Float[Tensor, "b k n"], share: Float[Tensor, "b n"] | None) -> Float[Tensor, "b k"]:
    b, _, n = odds.shape
    inside = torch.ones(b, n, dtype=torch.bool, device=odds.device)
    if share is not None:
        inside = torch.where((share > 0.5).any(1, keepdim=True), share > 0.5, share > 0)
    count = (inside.sum(1) * STRONGEST).ceil()
    lowest = torch.finfo(odds.dtype).min
    ordered = odds.masked_fill(~inside[:, None], lowest).topk(max([1, *count.int().tolist()]), dim=-1).values
    taken = torch.arange(ordered.shape[-1], device=odds.device) < count[:, None]
    return ordered.masked_fill(~taken[:, None], 0).sum(-1) / count.clamp_min(1)[:, None]
