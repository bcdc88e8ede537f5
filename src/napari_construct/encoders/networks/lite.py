"""LiteEncoder: EfficientNet-Lite (Tan and Le 2019; Liu 2020), pre-trained on ImageNet.

A hierarchical convolutional network without squeeze-and-excitation, made for processors of phones; ``lite0``
lies in the package. The weights are those of the TensorFlow authors (Apache-2.0), see
``encoders/weights/NOTICE.txt``.

The network was trained on photographs, but its input here is the local contrast of the optical density
(:mod:`~.contrast`), bright tissue positive: on patients that were not trained on this is better than their
colours (docs/experiments.md), and the pre-trained weights are as useful.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.networks.contrast import LocalContrast
from napari_construct.encoders.networks.efficientnet_lite import SCALES, EfficientNetLite
from napari_construct.encoders.networks.lite_weights import read_lite
from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.protocol import EncoderSpec

STRIDES: Final = (4, 8, 16, 32)

BUNDLED: Final = "lite0"


class LiteEncoder(nn.Module):
    """Feature pyramid at strides 4, 8, 16 and 32 of RGB in [0, 1]; ``lite0`` has three million parameters.

    Parameters
    ----------
    name : {"lite0", "lite1", "lite2"}
        Size of the network.
    seed : int
        Of the weights it starts with, until others are loaded.
    """

    def __init__(self, name: str = BUNDLED, seed: int = 0) -> None:
        super().__init__()
        with seeded(seed):
            self.network = EfficientNetLite(*SCALES[name])
        self.spec = EncoderSpec(
            id=name,
            channels=self.network.channels,
            strides=STRIDES,
            multiple=STRIDES[-1],
            licence="Apache-2.0",
            redistributable=True,
        )
        self.normalise = LocalContrast()

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        # depthwise convolutions on processors are twice as fast with channels last
        x = -self.normalise(images).contiguous(memory_format=torch.channels_last)
        levels: tuple[Tensor, ...] = self.network(x)
        return levels


def bundled_weights(name: str = BUNDLED) -> Path:
    """Where the weights of an encoder lie if they come with the package."""
    return Path(str(files("napari_construct.encoders").joinpath(f"weights/{name}.safetensors")))


def load_lite(name: str, weights: Path | None = None) -> LiteEncoder:
    """An encoder with the weights of a file, in eval mode.

    Parameters
    ----------
    name : {"lite0", "lite1", "lite2"}
        Size of the network.
    weights : Path, optional
        Any file of :func:`~napari_construct.encoders.networks.lite_weights.read_lite`; the bundled one by
        default.

    Raises
    ------
    EncoderError
        If the file is absent or holds another network.
    """
    encoder = LiteEncoder(name)
    encoder.network.load_state_dict(read_lite(weights or bundled_weights(name), name))
    return encoder.to(memory_format=torch.channels_last).eval()
