"""Small images and settings for distillation."""

from __future__ import annotations

import pytest

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.distil import distil
from napari_construct.crossmodal.phantom import PhantomDataset
from napari_construct.crossmodal.teachers.channel_unet import ChannelUNetTeacher
from napari_construct.models.checkpoints.channel_checkpoint import ChannelCheckpoint

QUICK = DistilConfig(
    student="mobilenet_v3", steps=5, batch_size=2, patch=32, validations=2, average_from=0.5, seed=3
)
"""A few steps of the smallest student."""


@pytest.fixture(scope="session")
def images() -> PhantomDataset:
    return PhantomDataset(range(4), (96, 96))


@pytest.fixture(scope="session")
def others() -> PhantomDataset:
    """Images that nothing is trained on."""
    return PhantomDataset(range(100, 102), (96, 96))


@pytest.fixture(scope="session")
def both_channels(images: PhantomDataset) -> ChannelCheckpoint:
    """A network of both channels, hardly trained."""
    return distil(images, None, QUICK.changed(channels=(0, 1), terms=("truth",)))


@pytest.fixture(scope="session")
def teacher(both_channels: ChannelCheckpoint) -> ChannelUNetTeacher:
    return ChannelUNetTeacher(both_channels, "cpu")
