"""Local contrast: the input of encoders that are trained on few slides.

Optical density, minus its mean, over its contrast, both taken in a window of about 50 micrometres. Slides
differ most in how dark and how contrasted their stains are, and with few slides to learn from, an encoder
that sees it learns to recognise the slide.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

RADIUS: Final = 24
"""Half the side in pixels of the box that local statistics are taken in (twice, so that it is smooth)."""


def optical_density(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """-log of RGB in [0, 1], bounded where there is no light."""
    return images.clamp(0, 1).mul_(0.98).add_(0.02).log_().neg_()


class LocalContrast(nn.Module):
    """(D - mean(D)) / std(D) of the optical density D = -log(RGB), statistics from around the pixel.

    One standard deviation serves all three channels, so that the ratio between stains is kept. Every
    output depends on its neighbourhood alone: tiles give what the whole image gives.

    Parameters
    ----------
    radius : int
        Of the box filter in pixels; it is applied twice, the support is ``4 * radius + 1`` pixels.
    """

    def __init__(self, radius: int = RADIUS) -> None:
        super().__init__()
        self.radius = radius

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        return self.of_density(optical_density(images))

    def of_density(self, density: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """The same from the optical density."""
        centred = density - self._mean(density)
        variance = self._mean(centred.square().mean(1, keepdim=True))
        return centred / (variance + 0.01).sqrt()

    def _mean(self, x: Tensor) -> Tensor:
        # boxes along one axis and the other commute; sums along the axis that is contiguous in memory are
        # several times as fast
        for _ in range(2):
            x = self._box(self._box(x)).transpose(-1, -2).contiguous()
        return x

    def _box(self, x: Tensor) -> Tensor:
        """Mean of a box along the last axis."""
        r, side = self.radius, 2 * self.radius + 1
        # sums of a sliding window by differences of running sums: the cost knows no radius
        running = F.pad(x, (r + 1, r, 0, 0), mode="replicate").cumsum(-1)
        return (running[..., side:] - running[..., :-side]).mul_(1 / side)


class ContrastAndDensity(nn.Module):
    """:class:`LocalContrast`, and the optical density itself about its usual value: six channels.

    Local contrast alone makes a wide area of one tissue look like any other. Which of two tissues is the
    darker one differs less between slides than how dark they are: with the density beside it, an encoder
    that is trained under changing stains learns to use it where it can.
    """

    def __init__(self, radius: int = RADIUS) -> None:
        super().__init__()
        self.local = LocalContrast(radius)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 6 h w"]:
        density = optical_density(images)
        return torch.cat([self.local.of_density(density), 2 * density - 1], 1)
