"""A small model on disk, and the command as users call it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from napari_construct.classes import ClassTable
from napari_construct.cli import app
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.models.checkpoints.checkpoint import checkpoint_of, save_checkpoint
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with an untrained head on TinyEncoder; classes tumour and lymphoid, 0.5 um/px."""
    config = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)
    made = build_model(config, TinyEncoder(), 2)
    checkpoint = checkpoint_of(made, ClassTable.from_names(("tumour", "lymphoid")), mpp=0.5)
    return save_checkpoint(tmp_path_factory.mktemp("model") / "small.construct", checkpoint)


@pytest.fixture
def image(camelyon: Path, tmp_path: Path) -> Path:
    """A real region of 256 px."""
    (path,) = (camelyon / "val" / "img").glob("*.png")
    return Path(shutil.copy(path, tmp_path / "region.png"))


@pytest.fixture
def call() -> Callable[..., Any]:
    """Run a command in this process."""

    def run(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run
