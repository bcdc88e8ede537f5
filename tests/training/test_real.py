"""Learning from real labels: CAMELYON16 patches beside the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_construct.data.image_level import load_dataset
from napari_construct.data.images import read_image
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import EpochDone, Event, run
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.segment import segment
from napari_construct.metrics.segmentation import confusion_matrix, scores_from_confusion
from napari_construct.training.config.config import AugmentationConfig, TrainingConfig
from napari_construct.training.loop.train import train_steps

CLASSES = ("tumour", "lymphoid")


@pytest.mark.slow
def test_labels_of_patches_teach_where_classes_lie(shared_data: Path, tiny_config: TrainingConfig) -> None:
    """Trained on single-class patches, the model finds each patch again in mosaics of both classes."""
    dataset = load_dataset(shared_data / "camelyon" / "train", class_names=CLASSES)
    config = tiny_config.changed(
        epochs=60,
        batch_size=16,
        image_size=128,
        learning_rate=5e-3,
        encoder_learning_rate=5e-3,
        seed=0,
        model=tiny_config.model.model_copy(update={"pooling": "mean"}).model_dump(),
        augmentation=AugmentationConfig(
            brightness=0.1, contrast=0.1, stain_gain=0.25, stain_offset=0.05, aspect=1.2
        ),
    )
    events: list[Event] = []
    parts = {"encoder": TinyEncoder(16), "teacher": TinyEncoder(seed=1), "device": "cpu"}
    checkpoint = run(train_steps(dataset, config, val=dataset, **parts), events.append)  # type: ignore[arg-type]
    epochs = [e.metrics for e in events if isinstance(e, EpochDone)]
    assert epochs[-1]["classification"] < 0.5 * epochs[0]["classification"]
    assert checkpoint.metrics["val_f1"] > 0.85

    predictor, matrix = (
        Predictor(checkpoint, "cpu", encoder=TinyEncoder(16)),
        np.zeros((2, 3), dtype=np.int64),
    )
    tumour, lymphoid = (np.flatnonzero(dataset.labels[:, i])[::8] for i in range(2))
    for t, s in zip(tumour, lymphoid, strict=False):
        a, b = (read_image(dataset.paths[i]).pixels for i in (t, s))
        mosaic = np.concatenate([np.concatenate([a, b], 1), np.concatenate([b, a], 1)])
        truth = np.kron(np.array([[0, 1], [1, 0]], np.uint8), np.ones(a.shape[:2], np.uint8))
        found = segment(mosaic, predictor, mpp=0.25, crf=None, classes=CLASSES)
        matrix += confusion_matrix(truth, found.labels, 2)
    assert scores_from_confusion(matrix)["miou"] > 0.45, "one third is chance"
