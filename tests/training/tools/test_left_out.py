"""Calibration on patches that were left out, and on validation data, with real patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Notice, Steps, run
from napari_construct.exceptions import ConfigurationError, DatasetError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.models.checkpoints.checkpoint import Checkpoint, checkpoint_of
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.calibration import BackgroundRule, Calibration
from napari_construct.training.calibration.labelled_logits import LabelledLogits
from napari_construct.training.calibration.recalibrate import masked_logits_steps, recalibrate_steps
from napari_construct.training.calibration.validation import open_masked
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.tools.left_out import left_out_logits_steps

SLIDE = "tumor_([0-9]+)"


@pytest.fixture
def model(tiny_config: TrainingConfig) -> Checkpoint:
    """Untrained, 0.5 um per pixel; class "tumour" is that of dark cells by chance."""
    made = build_model(tiny_config.model, TinyEncoder(), 2)
    calibration = Calibration(class_offsets=(0.5, -0.5), background=BackgroundRule(brightness=200))
    return checkpoint_of(
        made, ClassTable.from_names(("tumour", "lymphoid")), calibration, mpp=0.5, training={"patch": 64}
    )


def test_each_slide_is_scored_by_a_model_that_has_not_seen_it(
    patches: ImageLevelDataset, tiny_config: TrainingConfig, model: Checkpoint
) -> None:
    seen: list[set[str]] = []

    def fit(part: ImageLevelDataset) -> Steps[tuple[Checkpoint, Encoder | None]]:
        seen.append(set(part.names))
        yield Notice("train", 0, 1, "fold")
        return model, None

    notices: list[str] = []
    names = {name.rsplit("/", 1)[-1].split("_")[1] for name in patches.names}
    data = run(
        left_out_logits_steps(patches, tiny_config, SLIDE, fit),
        lambda event: notices.append(event.message),
    )
    assert isinstance(data, LabelledLogits)
    assert len(data.pooled) == sum(len(patches) - len(part) for part in seen)
    assert all(part < set(patches.names) for part in seen)
    assert len(seen) == len({*data.owners.tolist()}) <= len(names)
    assert sum(text.startswith("left out") for text in notices) == len(seen)
    assert data.cells.shape == (64 * len(data.pooled), 2)


def test_a_class_of_one_slide_cannot_be_left_out(
    patches: ImageLevelDataset, tiny_config: TrainingConfig
) -> None:
    def fit(part: ImageLevelDataset) -> Steps[tuple[Checkpoint, Encoder | None]]:
        raise AssertionError(part.names)

    one_each = patches.subset(
        [i for i, name in enumerate(patches.names) if "_004_" in name or "tumour/tumor_064" in name]
    )
    with pytest.raises(DatasetError, match="a class whose patches are all in one fold"):
        run(left_out_logits_steps(one_each, tiny_config, SLIDE, fit))
    with pytest.raises(DatasetError, match="at least 2 groups"):
        run(left_out_logits_steps(patches, tiny_config, "(tumor)", fit))


def test_validation_masks_calibrate_and_weights_stay(camelyon: Path, model: Checkpoint) -> None:
    made = run(recalibrate_steps(model, camelyon / "val", mpp=0.25, device="cpu"))
    kept = made.calibration.temperature * np.array(made.calibration.class_offsets)
    before = model.calibration.temperature * np.array(model.calibration.class_offsets)
    np.testing.assert_allclose(kept, before, rtol=1e-6)  # in logits, before the temperature
    assert before[0] > 0
    assert made.calibration.background == BackgroundRule(brightness=200)
    assert made.calibration.temperature != 1.0
    assert made.training["calibration"] == {"images": 1, "windows": 4, "offsets": False}
    assert 0 <= made.metrics["calibration_f1"] <= 1
    for name, value in model.head_state.items():
        torch.testing.assert_close(made.head_state[name], value, rtol=0, atol=0)


def test_windows_and_cells_of_a_mask(camelyon: Path, model: Checkpoint) -> None:
    data = run(masked_logits_steps(open_masked(camelyon / "val", 0.25), Predictor(model, "cpu")))
    assert data.pooled.shape == data.labels.shape == (4, 2)
    assert data.cells.shape[1] == 2
    assert len(data.cells) <= 16 * 16  # a region of 256 px at 0.5 um per pixel, stride 8; white is left out
    assert set(np.unique(data.cell_classes)) == {0, 1}
    assert (data.labels.sum(1) >= 1).all()


def test_validation_patches_need_the_models_classes(patches: ImageLevelDataset, model: Checkpoint) -> None:
    with pytest.raises(ConfigurationError, match="the classes tumour, lymphoid"):
        run(recalibrate_steps(model, patches, mpp=0.25, device="cpu"))
    same = ImageLevelDataset(patches.paths, patches.labels[:, ::-1], ("tumour", "lymphoid"), patches.names)
    made = run(recalibrate_steps(model, same, mpp=0.25, offsets=True, device="cpu"))
    assert made.training["calibration"]["patches"] == len(patches)
    assert made.calibration.class_offsets != (0.5, -0.5)
