"""A folder with good images, a stack and a broken file; a model that needs no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_construct.batch.settings import BatchSettings
from napari_construct.classes import ClassTable
from napari_construct.data.images import read_image
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import checkpoint_of
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig

QUICK = BatchSettings(model="tiny", segment=SegmentSettings(tile=128, overlap=32, crf=None))


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    config = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)
    model = build_model(config, TinyEncoder(), 2)
    checkpoint = checkpoint_of(model, ClassTable.from_names(("tumour", "lymphoid")), mpp=0.25)
    return Predictor(checkpoint, "cpu", encoder=TinyEncoder(), name="tiny")


@pytest.fixture
def tissue(camelyon: Path) -> np.ndarray:
    """(128, 128, 3) H&E."""
    (path,) = (camelyon / "val" / "img").glob("*.png")
    return read_image(path).pixels[64:192, 64:192]


@pytest.fixture
def folder(tissue: np.ndarray, tmp_path: Path) -> Path:
    """a.png, broken.png, deep/a.png and stack.tif of three planes."""
    root = tmp_path / "images"
    (root / "deep").mkdir(parents=True)
    Image.fromarray(tissue).save(root / "a.png")
    Image.fromarray(tissue[::-1].copy()).save(root / "deep" / "a.png")
    (root / "broken.png").write_bytes((root / "a.png").read_bytes()[:2000])
    (root / "notes.txt").write_text("stray", encoding="utf-8")
    planes = np.stack([tissue, tissue[:, ::-1], tissue[::-1]])
    tifffile.imwrite(root / "stack.tif", planes, photometric="rgb")
    return root
