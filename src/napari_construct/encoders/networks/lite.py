"""LiteEncoder: EfficientNet-Lite (Tan and Le 2019; Liu 2020), pre-trained on ImageNet.

A hierarchical convolutional network without squeeze-and-excitation, made for processors of phones; ``lite0``
lies in the package. The architecture is timm's; the weights are those of the TensorFlow authors (Apache-2.0).
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.protocol import EncoderSpec, Normalise
from napari_construct.encoders.weight_files import check_names, read_state

NAMES: Final = ("lite0", "lite1", "lite2")
LEVELS: Final = (1, 2, 3, 4)
"""Of timm's pyramid: strides 4, 8, 16 and 32."""

MEAN: Final = (0.5, 0.5, 0.5)
STD: Final = (0.5, 0.5, 0.5)


class LiteEncoder(nn.Module):
    """Feature pyramid at strides 4, 8, 16 and 32 of RGB in [0, 1]; ``lite0`` has three million parameters.

    Parameters
    ----------
    name : {"lite0", "lite1", "lite2"}
        Size of the network.
    seed : int
        Of the weights it starts with, until others are loaded.
    """

    def __init__(self, name: str = "lite0", seed: int = 0) -> None:
        super().__init__()
        with seeded(seed):
            self.network = timm.create_model(
                f"tf_efficientnet_{name}", pretrained=False, features_only=True, out_indices=LEVELS
            )
        info = self.network.feature_info
        self.spec = EncoderSpec(
            id=name,
            channels=tuple(info.channels()),
            strides=tuple(info.reduction()),
            multiple=32,
            mean=MEAN,
            std=STD,
            licence="Apache-2.0",
            redistributable=True,
        )
        self.normalise = Normalise(MEAN, STD)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        x = self.normalise(images).contiguous(memory_format=torch.channels_last)
        return tuple(self.network(x))


def bundled_weights(name: str = "lite0") -> Path:
    """Where the weights of an encoder lie if they come with the package."""
    return Path(str(files("napari_construct.encoders").joinpath(f"weights/{name}.safetensors")))


def load_lite(name: str, weights: Path) -> LiteEncoder:
    """An encoder with the weights of a file.

    Raises
    ------
    EncoderError
        If the file is absent or holds another network.
    """
    encoder = LiteEncoder(name)
    stored = read_state(weights)
    check_names(weights, stored, encoder.network.state_dict(), f"the {name} encoder")
    encoder.network.load_state_dict(stored)
    return encoder.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload, no-any-return]
