"""MiniEncoder: the bundled student, a small residual network that runs on a laptop.

Its input is the local contrast (:mod:`~.contrast`). Then come four stages of basic residual blocks (He et al.
2016) with the strides of the published pyramid. The weights are made by
``scripts/train_mini.py`` from redistributable H&E only and lie beside this module.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from torch import Tensor, nn

from napari_construct.encoders.networks.contrast import ContrastAndDensity, LocalContrast
from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.protocol import EncoderSpec
from napari_construct.encoders.weight_files import check_names, read_state
from napari_construct.exceptions import EncoderError
from napari_construct.types import PathLike

CHANNELS: Final = (32, 64, 96, 128)
BLOCKS: Final = (1, 2, 2, 1)
UNTRAINED: Final = {
    "small": (CHANNELS, BLOCKS),
    "medium": ((48, 96, 160, 256), (2, 2, 2, 2)),
}
"""Encoders that start at random: one and five million parameters."""

MPP: Final = 0.5
"""Micrometres per pixel the bundled weights were trained at."""

WEIGHTS: Final = "weights/mini.safetensors"


class BasicBlock(nn.Module):
    """relu(x + BN Conv3x3 relu BN Conv3x3 x), with a strided 1x1 shortcut where shapes change."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(width_in, width, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(width_in, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(self.shortcut(x) + self.net(x))
        return out


class MiniEncoder(nn.Module):
    """Feature pyramid at strides 4, 8, 16 and 32 of RGB in [0, 1]; one million parameters.

    Parameters
    ----------
    channels, blocks : tuple of int
        Per stage, finest first.
    density : bool
        Whether its input holds the optical density beside the local contrast.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = CHANNELS,
        blocks: tuple[int, ...] = BLOCKS,
        *,
        density: bool = False,
    ) -> None:
        super().__init__()
        self.spec = EncoderSpec(
            id="mini",
            channels=channels,
            strides=(4, 8, 16, 32),
            multiple=32,
            mpp=MPP,
            licence="MIT",
            redistributable=True,
        )
        half = channels[0] // 2
        self.normalise: nn.Module = ContrastAndDensity() if density else LocalContrast()
        self.stem = nn.Sequential(
            nn.Conv2d(6 if density else 3, half, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, channels[0], 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(inplace=True),
        )
        self.stages = nn.ModuleList()
        width_in = channels[0]
        for level, (width, depth) in enumerate(zip(channels, blocks, strict=True)):
            first = BasicBlock(width_in, width, 1 if level == 0 else 2)
            self.stages.append(nn.Sequential(first, *(BasicBlock(width, width, 1) for _ in range(depth - 1))))
            width_in = width

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(self.normalise(images))
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return tuple(levels)


def make_untrained(name: str, seed: int = 0) -> MiniEncoder:
    """An encoder of this architecture with random weights, to be trained; its input includes the density.

    Parameters
    ----------
    name : str
        One of ``UNTRAINED``, which says the channels and blocks of its stages.
    seed : int
        Of the weights.
    """
    channels, blocks = UNTRAINED[name]
    with seeded(seed):
        return MiniEncoder(channels, blocks, density=True).eval()


def load_mini(weights: PathLike | None = None) -> MiniEncoder:
    """The bundled encoder, or one of its form from a safetensors file.

    Raises
    ------
    EncoderError
        If the file is absent or holds another network.
    """
    path = (
        Path(weights)
        if weights is not None
        else Path(str(files("napari_construct.encoders").joinpath(WEIGHTS)))
    )
    if not path.is_file():
        raise EncoderError(
            f"expected the weights of the mini encoder in {path}, got no such file; "
            "reinstall napari-construct"
        )
    encoder = MiniEncoder()
    stored = read_state(path)
    check_names(path, stored, encoder.state_dict(), "the mini encoder")
    encoder.load_state_dict(stored)
    return encoder.eval()
