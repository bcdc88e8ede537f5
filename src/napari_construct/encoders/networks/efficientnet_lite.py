"""EfficientNet-Lite (Liu 2020) as a feature pyramid.

EfficientNet (Tan and Le 2019) without squeeze-and-excitation and with ReLU6. Tensors have the names of timm's
``tf_efficientnet_lite*``, so that files of weights fit both. The definition is our own because timm imports
torchvision, which takes longer than to segment an image; outputs are equal (``tests/encoders/networks``).
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from napari_construct.encoders.networks.pointwise import pointwise

NORM_EPS: Final = 1e-3
"""Of TensorFlow's batch normalisation, with which the published weights were trained."""

STEM: Final = 32
EXPANSION: Final = 6


class Stage(NamedTuple):
    """Row of table 1 of Tan and Le: blocks, kernel side, stride of the first block, channels."""

    blocks: int
    kernel: int
    stride: int
    channels: int


STAGES: Final = (
    Stage(1, 3, 1, 16),
    Stage(2, 3, 2, 24),
    Stage(2, 5, 2, 40),
    Stage(3, 3, 2, 80),
    Stage(3, 5, 1, 112),
    Stage(4, 5, 2, 192),
    Stage(1, 3, 1, 320),
)

PYRAMID: Final = (1, 2, 4, 6)
"""The stages whose maps are returned: the last of strides 4, 8, 16 and 32."""

SCALES: Final = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
"""Factors of width and depth."""


def scaled_stages(width: float, depth: float) -> tuple[Stage, ...]:
    """The stages of a larger network; the first and the last keep their number of blocks."""
    last = len(STAGES) - 1
    return tuple(
        stage._replace(
            blocks=stage.blocks if i in {0, last} else math.ceil(stage.blocks * depth),
            channels=_multiple_of_8(stage.channels * width),
        )
        for i, stage in enumerate(STAGES)
    )


def _multiple_of_8(channels: float) -> int:
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


class SameConv2d(nn.Conv2d):
    """Convolution without bias, padded as TensorFlow's "SAME": ``ceil(side / stride)`` outputs a side.

    Where the padding is larger after than before (stride 2, even side), the kernel gets a row or column of
    zeros at its start instead: a copy of the padded map costs more than the convolution.
    """

    def __init__(self, channels: int, to: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels, to, kernel, stride, kernel // 2, groups=groups, bias=False)

    def same(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with other numbers of the shape of its own."""
        if self.kernel_size == (1, 1):
            return pointwise(x, weight, bias)
        if self.stride[0] == 2:
            before = [1 - side % 2 for side in (x.shape[-1], x.shape[-2])]
            weight = F.pad(weight, (before[0], 0, before[1], 0))
        return F.conv2d(x, weight, bias, self.stride, self.padding, 1, self.groups)

    def forward(self, x: Tensor) -> Tensor:
        return self.same(x, self.weight, self.bias)


def conv_norm(conv: SameConv2d, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """``norm(conv(x))``; with the statistics of training, one convolution by the product of both."""
    if norm.training or norm.running_var is None or norm.running_mean is None:
        out: Tensor = norm(conv(x))
        return out
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return conv.same(x, conv.weight * scale.view(-1, 1, 1, 1), norm.bias - norm.running_mean * scale)


class SeparableBlock(nn.Module):
    """Depthwise convolution, then a linear pointwise one: the first stage's block."""

    def __init__(self, channels: int, to: int, kernel: int) -> None:
        super().__init__()
        self.conv_dw = SameConv2d(channels, channels, kernel, groups=channels)
        self.bn1 = _norm(channels)
        self.conv_pw = SameConv2d(channels, to, 1)
        self.bn2 = _norm(to)

    def forward(self, x: Tensor) -> Tensor:
        return conv_norm(self.conv_pw, self.bn2, F.relu6(conv_norm(self.conv_dw, self.bn1, x), inplace=True))


class InvertedResidual(nn.Module):
    """Expand, convolve every channel by itself, project linearly (Sandler et al. 2018)."""

    def __init__(self, channels: int, to: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = channels * EXPANSION
        self.conv_pw = SameConv2d(channels, wide, 1)
        self.bn1 = _norm(wide)
        self.conv_dw = SameConv2d(wide, wide, kernel, stride, groups=wide)
        self.bn2 = _norm(wide)
        self.conv_pwl = SameConv2d(wide, to, 1)
        self.bn3 = _norm(to)
        self.residual = stride == 1 and channels == to

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(conv_norm(self.conv_pw, self.bn1, x), inplace=True)
        y = F.relu6(conv_norm(self.conv_dw, self.bn2, y), inplace=True)
        y = conv_norm(self.conv_pwl, self.bn3, y)
        return y + x if self.residual else y


class EfficientNetLite(nn.Module):
    """Maps at strides 4, 8, 16 and 32; without the classifier and its last convolution.

    Parameters
    ----------
    width, depth : float
        Factors of channels and of blocks, see :data:`SCALES`.
    """

    def __init__(self, width: float = 1.0, depth: float = 1.0) -> None:
        super().__init__()
        self.conv_stem = SameConv2d(3, STEM, 3, 2)
        self.bn1 = _norm(STEM)
        blocks, channels = [], STEM
        stages = scaled_stages(width, depth)
        for i, stage in enumerate(stages):
            row: list[nn.Module] = []
            for j in range(stage.blocks):
                if i == 0:
                    row.append(SeparableBlock(channels, stage.channels, stage.kernel))
                else:
                    stride = stage.stride if j == 0 else 1
                    row.append(InvertedResidual(channels, stage.channels, stage.kernel, stride))
                channels = stage.channels
            blocks.append(nn.Sequential(*row))
        self.blocks = nn.Sequential(*blocks)
        self.channels = tuple(stages[i].channels for i in PYRAMID)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = F.relu6(conv_norm(self.conv_stem, self.bn1, x), inplace=True)
        levels = []
        for i, stage in enumerate(self.blocks):
            x = stage(x)
            if i in PYRAMID:
                levels.append(x)
        return tuple(levels)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=NORM_EPS)
