"""Models without training: one that knows colours, one with a real network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_construct.classes import ClassTable
from napari_construct.data.images import read_image
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.encoders.protocol import EncoderSpec
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.models.checkpoints.checkpoint import Checkpoint, checkpoint_of
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig

CLASSES = ClassTable.from_names(("dark", "pale", "green"))


class ColourPredictor(Predictor):
    """Looks at the mean colour of each cell and at nothing else, so that results are known.

    ``calls`` counts batches; ``fails`` is raised, or ``spoils`` every logit, on request.
    """

    stride = 8

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.device = torch.device("cpu")
        self.name, self.sha256 = "colours", None
        self.shapes: list[tuple[int, ...]] = []

    @property
    def calls(self) -> int:
        return len(self.shapes)

    @property
    def spec(self) -> EncoderSpec:
        return TinyEncoder().spec

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(images.shape))
        red, green, blue = F.avg_pool2d(images, self.stride).unbind(1)
        return torch.stack([8 * (0.65 - green), 8 * (green - 0.65), 20 * (green - (red + blue) / 2) - 4], 1)


def checkpoint(
    calibration: Calibration | None = None, mpp: float | None = 0.5, **config: object
) -> Checkpoint:
    small = {"encoder": "tiny", "prototype_width": 16, "projection_hidden": 16, "fusion_width": 16}
    model = build_model(ModelConfig(**(small | config)), TinyEncoder(), len(CLASSES))
    return checkpoint_of(model, CLASSES, calibration, mpp=mpp)


@pytest.fixture
def colours() -> ColourPredictor:
    return ColourPredictor(checkpoint(Calibration(presence_thresholds=(0.01, 0.01, 0.9))))


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Checkpoint:
    return checkpoint()


@pytest.fixture
def tiny(tiny_checkpoint: Checkpoint) -> Predictor:
    return Predictor(tiny_checkpoint, "cpu", encoder=TinyEncoder(), name="tiny")


@pytest.fixture(scope="session")
def tissue(camelyon: Path) -> np.ndarray:
    """(256, 256, 3) H&E with tumour, lymphoid tissue and white."""
    (path,) = (camelyon / "val" / "img").glob("*.png")
    return read_image(path).pixels
