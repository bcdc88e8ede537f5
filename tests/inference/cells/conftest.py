"""A student with random weights, and an image that it looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_construct.crossmodal.phantom import phantom
from napari_construct.data.channels.image import ChannelImage
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.models.checkpoints.channel_checkpoint import (
    ChannelCheckpoint,
    channel_checkpoint_of,
    save_channel_checkpoint,
)
from napari_construct.models.network.channel_unet import ChannelUNetConfig, build_channel_unet


@pytest.fixture(scope="session")
def checkpoint() -> ChannelCheckpoint:
    network = build_channel_unet(ChannelUNetConfig(encoder="mobilenet_v3"), seed=1)
    return channel_checkpoint_of(network, mpp=0.5)


@pytest.fixture(scope="session")
def predictor(checkpoint: ChannelCheckpoint) -> CellPredictor:
    return CellPredictor(checkpoint, "cpu", name="student")


@pytest.fixture(scope="session")
def student_file(checkpoint: ChannelCheckpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_channel_checkpoint(tmp_path_factory.mktemp("models") / "student", checkpoint)


@pytest.fixture(scope="session")
def channels() -> ChannelImage:
    """Two channels of 150 x 200 px."""
    found = phantom(3, (150, 200))
    pixels = (found.channels * 1000).astype(np.uint16)
    return ChannelImage(pixels, ("DAPI", "membrane"), 0.5, (), Path("phantom.tif"))
