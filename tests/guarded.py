"""A small model that knows H&E from 12 patches: an untrained head on the bundled encoder, with a guard."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.encoders.catalogue.lookup import create_encoder
from napari_construct.models.checkpoints.checkpoint import Checkpoint, checkpoint_of
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig
from napari_construct.training.calibration.guard import add_guard


def doubled(camelyon: Path, folder: Path) -> ImageLevelDataset:
    """The patches of 128 px and their mirror images, in one folder per class."""
    for path in sorted((camelyon / "train").rglob("*.png")):
        target = folder / path.parent.name
        target.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            image.save(target / f"{path.stem}_0.png")
            ImageOps.mirror(image).save(target / f"{path.stem}_1.png")
    return load_dataset(folder)


def unguarded() -> Checkpoint:
    config = ModelConfig(
        encoder="lite0", teacher=None, prototype_width=16, projection_hidden=16, fusion_width=16
    )
    model = build_model(config, create_encoder("lite0"), 2)
    return checkpoint_of(
        model, ClassTable.from_names(("lymphoid", "tumour")), mpp=0.5, training={"patch": 128, "scale": 1.0}
    )


def guarded(camelyon: Path, folder: Path) -> Checkpoint:
    dataset = doubled(camelyon, folder)
    groups = [name.rsplit("/", 1)[-1].split("_")[1] for name in dataset.names]
    return add_guard(unguarded(), dataset, groups=groups, mpp=0.5)
