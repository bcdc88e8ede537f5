"""TinyEncoder: a few convolutions with fixed random weights, for tests and dry runs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.protocol import EncoderSpec, Normalise


class TinyEncoder(nn.Module):
    """Four levels at strides 4, 8, 16 and 32 with 8 channels each; 3 kB of weights, seeded."""

    def __init__(self, width: int = 8, seed: int = 0, encoder_id: str = "tiny") -> None:
        super().__init__()
        self.spec = EncoderSpec(
            id=encoder_id,
            channels=(width,) * 4,
            strides=(4, 8, 16, 32),
            multiple=32,
            mpp=0.5,
            licence="MIT",
            redistributable=True,
        )
        with seeded(seed):
            self.normalise = Normalise(self.spec.mean, self.spec.std)
            self.stem = nn.Conv2d(3, width, 4, stride=4)
            self.stages = nn.ModuleList(nn.Conv2d(width, width, 3, stride=2, padding=1) for _ in range(3))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        levels = [torch.tanh(self.stem(self.normalise(images)))]
        for stage in self.stages:
            levels.append(torch.tanh(stage(levels[-1])))
        return tuple(levels)
