"""Adapters: the light residual modules that refine frozen features."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.networks.pointwise import PointwiseConv2d


class StructureAdapter(nn.Module):
    """x + Conv1x1(GELU BN DWConv3x3(GELU BN Conv1x1 x)), the identity when training starts.

    The last convolution is zero-initialised, so an untrained adapter passes features unchanged
    (ConStruct, section 2.1).

    Parameters
    ----------
    channels : int
        Channels of the level.
    hidden : int, optional
        Channels between the two 1x1 convolutions; as many as ``channels`` by default.
    """

    def __init__(self, channels: int, hidden: int | None = None) -> None:
        super().__init__()
        hidden = hidden or channels
        last = PointwiseConv2d(hidden, channels)
        self.net = nn.Sequential(
            PointwiseConv2d(channels, hidden),
            nn.BatchNorm2d(hidden),
            nn.GELU(),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.BatchNorm2d(hidden),
            nn.GELU(),
            last,
        )
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)

    def forward(self, level: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        refined: Tensor = level + self.net(level)
        return refined
