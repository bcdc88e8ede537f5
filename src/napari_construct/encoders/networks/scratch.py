"""Well-known encoders without their weights (``smp:NAME``): for networks that are trained from scratch.

Nothing is downloaded and no licence but the library's applies. Normalisation is local, as in the bundled
encoder: few slides teach an encoder that sees brightness and contrast to recognise the slide.
"""

from __future__ import annotations

import re
from typing import Any, Final

import segmentation_models_pytorch as smp
from torch import Tensor, nn

from napari_construct.encoders.networks.contrast import LocalContrast
from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.protocol import EncoderSpec
from napari_construct.exceptions import EncoderError

PREFIX: Final = "smp:"

FINEST: Final = 4
"""Smallest stride that is used: levels at stride 2 cost most and say least about tissue."""


class ScratchEncoder(nn.Module):
    """Levels at strides 4 to 32 of an encoder of ``segmentation_models_pytorch`` with random weights.

    Parameters
    ----------
    name : str
        As the library calls it: ``resnet18``, ``mit_b0``, ``mobilenet_v2`` ...
    seed : int
        Of the weights.

    Raises
    ------
    EncoderError
        If the library has no such encoder, or cannot make it without weights.
    """

    def __init__(self, name: str, seed: int = 0) -> None:
        super().__init__()
        with seeded(seed):
            self.network = _made(name)
        strides = [2**i for i in range(len(self.network.out_channels))]
        self._used = [
            i
            for i, (c, s) in enumerate(zip(self.network.out_channels, strides, strict=True))
            if c and s >= FINEST
        ]
        self.spec = EncoderSpec(
            id=f"{PREFIX}{name}",
            channels=tuple(self.network.out_channels[i] for i in self._used),
            strides=tuple(strides[i] for i in self._used),
            multiple=max(strides),
            licence="trained by you",
            redistributable=True,
        )
        self.normalise = LocalContrast()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        levels = self.network(self.normalise(images))
        return tuple(levels[i] for i in self._used)


def _made(name: str) -> Any:
    try:
        return smp.encoders.get_encoder(_plain(name), in_channels=3, depth=5, weights=None)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise EncoderError(
            f"expected an encoder of segmentation_models_pytorch after {PREFIX!r}, got {name[:80]!r} "
            f"({str(error)[:200]}); try {PREFIX}resnet18 or {PREFIX}mit_b0"
        ) from error


def _plain(name: str) -> str:
    """``name``, unless the library would look for it in a repository or a folder."""
    if re.fullmatch(r"[\w.-]{1,100}", name):
        return name
    raise ValueError("not a plain name")
