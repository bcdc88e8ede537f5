"""From a CAM to an image's class logits."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def pool_logits(cam: Float[Tensor, "b k h w"], pooling: str) -> Float[Tensor, "b k"]:
    """Pool CAM logits over space.

    ``mean`` is the published one: a class must cover half of the image to be predicted present.
    ``log_mean_exp`` is a smooth maximum, ``log(mean(exp(x)))`` (Pinheiro and Collobert 2015).
    ``attention`` weighs each pixel by its own probability, ``sum(p x) / sum(p)``, so that the
    pixels of the class decide and the others stay free.
    """
    flat = cam.flatten(2)
    if pooling == "mean":
        return flat.mean(-1)
    if pooling == "log_mean_exp":
        n = torch.tensor(float(flat.shape[-1]), dtype=flat.dtype, device=flat.device)
        return torch.logsumexp(flat, -1) - n.log()
    weight = flat.detach().sigmoid() + 1e-4
    return (weight * flat).sum(-1) / weight.sum(-1)
