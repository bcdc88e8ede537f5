"""Convolutions with kernels of one pixel."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_BATCH: Final = 16
"""Images from which torch gives these convolutions to oneDNN on one thread too."""


class PointwiseConv2d(nn.Conv2d):
    """``nn.Conv2d(channels, to, 1)``; see :func:`pointwise`."""

    def __init__(self, channels: int, to: int, *, bias: bool = True) -> None:
        super().__init__(channels, to, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return pointwise(x, self.weight, self.bias)


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolution of (b, c, h, w) with a (to, c, 1, 1) kernel.

    On one thread, torch gives such convolutions of few images to a matrix product that is half as fast as
    oneDNN on some processors. A kernel of one pixel knows no neighbours: rows of an image with channels last
    are then passed as a batch, which is a view, and goes to oneDNN.
    """
    b, c, h, w = x.shape
    few = x.device.type == "cpu" and torch.get_num_threads() == 1 and b < _BATCH
    if not few or not x.is_contiguous(memory_format=torch.channels_last):
        return F.conv2d(x, weight, bias)
    rows = x.permute(0, 2, 3, 1).reshape(b * h, 1, w, c).permute(0, 3, 1, 2)
    return F.conv2d(rows, weight, bias).permute(0, 2, 3, 1).reshape(b, h, w, -1).permute(0, 3, 1, 2)
