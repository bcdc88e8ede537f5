"""Small data and networks for training tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.models.network.config import ModelConfig
from napari_construct.training.config.config import LossWeights, TrainingConfig

TINY = ModelConfig(
    encoder="tiny",
    teacher="tiny",
    prototype_width=16,
    projection_hidden=16,
    fusion_width=16,
    guidance_levels=(1, 2),
)


@pytest.fixture
def patches(camelyon: Path) -> ImageLevelDataset:
    """Real H&E patches of 128 px in one folder per class."""
    return load_dataset(camelyon / "train")


@pytest.fixture
def tiny_config() -> TrainingConfig:
    return TrainingConfig(
        model=TINY,
        epochs=2,
        batch_size=3,
        image_size=64,
        patch_mpp=0.25,
        memory_bank=8,
        seed=7,
        weights=LossWeights.published(),
        # defaults follow measurements; tests state what they rely on
        sampling="uniform",
        schedule="cosine",
        warm_up=0.05,
        encoder_learning_rate=None,
        average_from=None,
        label_target="parts",
        validate_every=1,
    )


class CountingEncoder(TinyEncoder):
    """Counts the images it encodes."""

    seen = 0

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        type(self).seen += len(images)
        return super().forward(images)
