"""Top-down fusion: one map at a fine stride that every refined level feeds.

In the published wiring the CAM is read from the coarsest level alone, so a loss on any other level
cannot change a prediction. Here all levels meet before the CAM is read, as in a feature pyramid
network (Lin et al. 2017), with additions and depthwise convolutions to stay light.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.networks.pointwise import PointwiseConv2d


class TopDownFusion(nn.Module):
    """Project every level to ``width`` channels, add coarse to fine, smooth once.

    Parameters
    ----------
    channels, strides : sequence of int
        Of the levels, finest first.
    width : int
        Channels of the fused map.
    stride : int
        Stride of the fused map; levels finer than it are average-pooled down to it.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], width: int, stride: int) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.stride = stride
        self.lateral = nn.ModuleList(
            nn.Sequential(PointwiseConv2d(c, width, bias=False), nn.BatchNorm2d(width)) for c in channels
        )
        self.smooth = nn.Sequential(
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
            PointwiseConv2d(width, width, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, levels: Sequence[Tensor]) -> Float[Tensor, "b c h w"]:
        finest = levels[0]
        size = (
            finest.shape[-2] * self.strides[0] // self.stride,
            finest.shape[-1] * self.strides[0] // self.stride,
        )
        total = None
        for level, lateral in zip(reversed(levels), reversed(list(self.lateral)), strict=True):
            part = _resize(lateral(level), size)
            # in place, as are no numbers that a gradient needs: new maps cost more than the sums
            total = part if total is None else total.add_(part)
        if total is None:
            raise ValueError("expected at least one level, got none; check the encoder's channels")
        fused: Tensor = total + self.smooth(total)
        return fused


def _resize(level: Tensor, size: tuple[int, int]) -> Tensor:
    if level.shape[-2] > size[0]:
        return F.adaptive_avg_pool2d(level, size)
    if level.shape[-2:] == size:
        return level
    return F.interpolate(level, size, mode="bilinear", align_corners=False)
