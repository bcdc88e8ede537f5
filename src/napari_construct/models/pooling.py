"""From a CAM to an image's class logits."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def pool_logits(
    cam: Float[Tensor, "b k h w"], pooling: str, share: Float[Tensor, "b h w"] | None = None
) -> Float[Tensor, "b k"]:
    """Pool CAM logits over space.

    ``mean`` is the published one: a class must cover half of the image to be predicted present.
    ``log_mean_exp`` is a smooth maximum, ``log(mean(exp(x)))`` (Pinheiro and Collobert 2015).
    ``attention`` weighs each pixel by its own probability, ``sum(p x) / sum(p)``, so that the
    pixels of the class decide and the others stay free.

    Parameters
    ----------
    cam : Tensor
        Logits.
    pooling : {"mean", "log_mean_exp", "attention"}
        The rule.
    share : Tensor, optional
        0 to 1, how much of each cell belongs to what is pooled; everything by default. Where it is 0
        in the whole image, so are the logits.
    """
    flat = cam.flatten(2)
    part = torch.ones_like(flat[:, :1]) if share is None else share.to(flat).flatten(1)[:, None]
    if pooling == "log_mean_exp":
        lowest = torch.finfo(flat.dtype).tiny
        total = part.sum(-1)
        pooled = torch.logsumexp(flat + part.clamp_min(lowest).log(), -1) - total.clamp_min(lowest).log()
        return torch.where(total > 0, pooled, torch.zeros_like(pooled))
    weight = part if pooling == "mean" else part * (flat.detach().sigmoid() + 1e-4)
    return (weight * flat).sum(-1) / weight.sum(-1).clamp_min(1e-6)
