"""A model whose answers are known, and images for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.encoders.protocol import EncoderSpec
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.models.checkpoints.checkpoint import checkpoint_of
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig


class RedGreenBlue(Predictor):
    """Logits are the colours themselves: a red pixel is class 0, green 1, blue 2; presence follows.

    ``shift`` is added to the first class's logits, so that models can differ.
    """

    def __init__(self, ignored: bool = False, *, shift: float = 0.0, name: str = "colours") -> None:
        classes = ClassTable(
            classes=(
                TissueClass(name="red", colour="#ff0000"),
                TissueClass(name="green", colour="#00ff00"),
                TissueClass(name="blue", colour="#0000ff", ignored=ignored),
            )
        )
        config = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)
        made = build_model(config, TinyEncoder(), 3)
        self.checkpoint = checkpoint_of(made, classes, training={"patch": 32})
        self.device, self.name, self.sha256, self.shift = torch.device("cpu"), name, None, shift
        self.passes = 0

    @property
    def spec(self) -> EncoderSpec:
        return TinyEncoder().spec

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        found = 20 * (images - 0.05)
        found[:, 0] += self.shift
        return found


@pytest.fixture
def colours_model() -> type[RedGreenBlue]:
    return RedGreenBlue


def _save(folder: Path, name: str, colours: np.ndarray, mask: np.ndarray) -> None:
    for kind, array in (("img", colours), ("mask", mask)):
        (folder / kind).mkdir(exist_ok=True, parents=True)
        Image.fromarray(array.astype(np.uint8)).save(folder / kind / name)


@pytest.fixture
def save() -> Callable[..., None]:
    """Write an image and its mask into ``img`` and ``mask`` of a folder."""
    return _save


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two pictures of three stripes; in the second the last stripe, blue, is truly green."""
    lines = np.repeat(np.arange(3), 32)[None].repeat(96, axis=0)
    colours = np.eye(3)[lines] * 200
    _save(tmp_path, "right.png", colours, lines)
    _save(tmp_path, "wrong.png", colours, np.minimum(lines, 1))
    return tmp_path
