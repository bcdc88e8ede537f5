"""Maps of classes in words: cosines between embedded patches and embedded texts."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def relative_cosines(
    patches: Float[Tensor, "b d h w"], prototypes: Float[Tensor, "k p d"], neutral: Tensor | None
) -> Float[Tensor, "b k h w"]:
    """Cosine of every patch to each class's nearest prototype, relative to what all classes share there.

    The shared part is the mean over the classes; subtracting it changes no decision. The map of a class then
    shows where that class is likelier than the others (CLIP Surgery's redundant features, section 3.3, in the
    space of similarities).

    Parameters
    ----------
    patches : Tensor
        L2-normalised.
    prototypes : Tensor
        L2-normalised, p for each class.
    neutral : Tensor or None
        (d,) embedding that is subtracted instead of the mean, for a single class.
    """
    cosines = torch.einsum("bdhw,kpd->bkphw", patches, prototypes).amax(2)
    shared = cosines.mean(1, keepdim=True)
    if neutral is not None:
        shared = torch.einsum("bdhw,d->bhw", patches, neutral)[:, None]
    return cosines - shared
