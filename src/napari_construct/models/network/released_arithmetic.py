"""Image normalisation of the released ConStruct code.

The released code normalises every image once, with BCSS statistics. The student uses that. Before the teacher
it is put back with the same statistics *rounded to four decimals*, then normalised with ImageNet's; the
region encoder gets the untouched image, normalised with its own. The ``published`` preset follows, so that
its numbers are the released ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.protocol import EncoderSpec
from napari_construct.models.network.config import BCSS_MEAN, BCSS_STD
from napari_construct.refinement.regions import RegionWeights
from napari_construct.refinement.views import scale_about

ROUNDED_MEAN: Final = (0.6679, 0.4779, 0.7062)
ROUNDED_STD: Final = (0.1737, 0.2256, 0.1982)


class Restandardise(nn.Module):
    """Makes an encoder see ``(x - mean) / std`` with other statistics than its own.

    An encoder normalises what it is given, so it is given
    ``(x - mean) / std * own_std + own_mean``.

    Parameters
    ----------
    spec : EncoderSpec
        Of the encoder.
    mean, std : sequence of float or None
        The statistics wanted; None keeps the encoder's.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, spec: EncoderSpec, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
        super().__init__()
        self.identity = mean is None and std is None
        own_mean, own_std = torch.tensor(spec.mean).double(), torch.tensor(spec.std).double()
        wanted_mean = own_mean if mean is None else torch.tensor(tuple(mean)).double()
        wanted_std = own_std if std is None else torch.tensor(tuple(std)).double()
        scale = own_std / wanted_std
        shift = own_mean - wanted_mean * scale
        self.register_buffer("scale", scale.float().view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift", shift.float().view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        if self.identity:
            return images
        return images * self.scale.to(images.dtype) + self.shift.to(images.dtype)


def teacher_images(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """RGB in [0, 1] as it reaches the released teacher: off by up to 0.0001 from the rounding."""
    mean, std, back_mean, back_std = (
        torch.tensor(values, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
        for values in (BCSS_MEAN, BCSS_STD, ROUNDED_MEAN, ROUNDED_STD)
    )
    there: Tensor = (images - mean) / std
    return there * back_std + back_mean


def region_crops(
    images: Float[Tensor, "b 3 h w"], weights: RegionWeights, mean: Sequence[float]
) -> tuple[Float[Tensor, "r 3 h w"], Float[Tensor, "r 3 h w"]]:
    """Foreground and background crops for the region encoder.

    The released code multiplies the *normalised* image with the weights: what a weight of 0 blanks is
    the mean colour of the normalisation, not black.

    Parameters
    ----------
    images : Tensor
        RGB in [0, 1].
    weights : RegionWeights
        Of :func:`~napari_construct.refinement.regions.region_weights`.
    mean : sequence of float
        Of the region encoder's normalisation.
    """
    chosen = images[weights.images]
    return scale_about(chosen, weights.foreground, mean), scale_about(chosen, weights.background, mean)
