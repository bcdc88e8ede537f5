"""From a folder of patches to a trained model in use: at most six clicks."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as Picture
from qtpy.QtWidgets import QPushButton
from tests.widgets import person

from napari_construct.models.network.config import ModelConfig
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.segment.segment_tissue import SegmentTissue
from napari_construct.widgets.train.train_adapters import TrainAdapters

pytestmark = [pytest.mark.gui, pytest.mark.shown]

MOST = 6


def test_from_a_folder_of_patches_to_a_mask(qtbot, viewer, camelyon, tissue, tmp_path) -> None:
    person.USED.clear()

    def click(widget: object, name: str) -> None:
        person.click(person.find(widget, name, QPushButton))

    folder = tmp_path / "lymph_node"
    for path in (*(camelyon / "train").rglob("*.png"), *(camelyon / "val").rglob("*.png")):
        target = folder / path.relative_to(camelyon)
        target.parent.mkdir(parents=True, exist_ok=True)
        with Picture.open(path) as picture:
            picture.crop((0, 0, 96, 96)).save(target)
    viewer.add_image(tissue, name="slide", rgb=True, scale=(0.25, 0.25), units=("um", "um"))
    train = TrainAdapters(viewer)
    viewer.window.add_dock_widget(train, name="Train a model")
    # a person trains the usual network for minutes; this one takes seconds
    sizes = {"prototype_width": 16, "projection_hidden": 16, "fusion_width": 16, "guidance_levels": (1, 2)}
    tiny = ModelConfig(encoder="tiny", teacher=None, **sizes)
    train.setValue(TrainingConfig(model=tiny, epochs=1, image_size=64, validate_every=1))
    train.setDevice("cpu")

    qtbot.waitUntil(train.isVisible, timeout=5_000)

    person.write(person.find(train, "Training patches"), str(folder))
    qtbot.waitUntil(lambda: not train.isLooking(), timeout=60_000)
    click(train, "Pixel size 0.25 µm")
    click(train, "Train")
    qtbot.waitUntil(lambda: not train.isRunning(), timeout=120_000)
    assert "Done: epoch 1 (mIoU" in person.words(train)
    click(train, "Use this model")
    _, segment = viewer.window.add_plugin_dock_widget("napari-construct", "Segment")
    assert isinstance(segment, SegmentTissue)
    qtbot.waitUntil(lambda: "being loaded" not in segment.message(), timeout=30_000)
    assert Path(segment.model()) == folder / "lymph_node.construct"
    with qtbot.waitSignal(segment.finished, timeout=60_000):
        runs = [b for b in segment.findChildren(QPushButton) if b.text().startswith(("Run", "Segment"))]
        click(segment, runs[0].text())
    assert any("lymph_node" in str(layer.metadata) or "tissue" in layer.name for layer in viewer.layers)
    assert len(person.USED) + 1 <= MOST, "and one into the field of the folder"
