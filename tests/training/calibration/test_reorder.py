"""Masks read in another order after training: as if they had been read so from the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import run
from napari_construct.metrics import class_order
from napari_construct.metrics.class_order import OrderDoubt, OtherOrder
from napari_construct.training.calibration.reorder import reorder_steps
from napari_construct.training.calibration.validation import open_masked
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.train import train_steps

TURNED = ("tumour", "lymphoid")


@pytest.fixture
def masked(patches: ImageLevelDataset, tmp_path: Path) -> Path:
    """The training patches as images, with masks that number the classes the other way round."""
    for name in ("img", "mask"):
        (tmp_path / name).mkdir()
    for number, path in enumerate(patches.paths):
        (tmp_path / "img" / f"{number}.png").write_bytes(path.read_bytes())
        value = 1 - int(patches.labels[number].argmax())
        Image.new("L", (128, 128), value).save(tmp_path / "mask" / f"{number}.png")
    return tmp_path


def trained(dataset: ImageLevelDataset, config: TrainingConfig, val: Path) -> tuple[Any, list[Any]]:
    events: list[Any] = []
    steps = train_steps(dataset, config, val=val, teacher=TinyEncoder(seed=4), device="cpu")
    return run(steps, events.append), events


@pytest.mark.parametrize("by_counts", [True, False])
def test_scores_and_calibration_are_those_of_a_run_that_knew(
    patches: ImageLevelDataset,
    tiny_config: TrainingConfig,
    masked: Path,
    monkeypatch: pytest.MonkeyPatch,
    by_counts: bool,
) -> None:
    turned = OtherOrder((1, 0), 0.1, 0.7)
    monkeypatch.setattr(class_order, "other_order", lambda matrix: turned)
    ignorant, events = trained(patches, tiny_config, masked)
    (doubt,) = (e for e in events if isinstance(e, OrderDoubt))
    assert doubt.order == TURNED
    knew, _ = trained(patches, tiny_config.changed(mask_order=TURNED), masked)
    assert ignorant.metrics["val_miou"] != knew.metrics["val_miou"]
    data = open_masked(masked, 0.25, order=TURNED)
    matrix = doubt.matrix if by_counts else None
    made = run(reorder_steps(ignorant, data, doubt.found.order, matrix, device="cpu"))
    for name in ("val_iou/lymphoid", "val_iou/tumour"):
        if by_counts:  # of the network before its calibration
            assert made.metrics[name] == pytest.approx(knew.metrics[name], nan_ok=True)
    assert made.calibration == knew.calibration
    assert made.training["identity"]["config"]["mask_order"] == list(TURNED)
    assert class_order.reordered(doubt.matrix, (1, 0)).sum() == doubt.matrix.sum()


def test_an_order_of_other_classes_is_refused(
    patches: ImageLevelDataset, tiny_config: TrainingConfig, masked: Path
) -> None:
    with pytest.raises(ValueError, match="in the order of the mask values, got gland, stroma"):
        trained(patches, tiny_config.changed(mask_order=("gland", "stroma")), masked)
