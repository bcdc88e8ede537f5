"""The order of the classes in masks as a person meets it: before training, and after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from qtpy.QtWidgets import QLineEdit, QPushButton
from tests.widgets import person

from napari_construct.metrics import class_order
from napari_construct.metrics.class_order import OtherOrder
from napari_construct.models.checkpoints.checkpoint import load_checkpoint
from napari_construct.models.network.config import ModelConfig
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.train.train_adapters import TrainAdapters

pytestmark = [pytest.mark.gui, pytest.mark.shown]

COLOURS = {"gland": (150, 60, 160), "stroma": (230, 150, 180)}
TINY = ModelConfig(
    encoder="tiny",
    teacher=None,
    prototype_width=16,
    projection_hidden=16,
    fusion_width=16,
    guidance_levels=(1, 2),
)


def picture(colours: Any, rng: np.random.Generator) -> Picture.Image:
    noisy = np.array(colours, float) + rng.normal(0, 40, np.shape(colours))
    return Picture.fromarray(noisy.clip(0, 255).astype(np.uint8))


@pytest.fixture
def data(tmp_path) -> Path:
    """Patches of two colours; images of both, whose masks begin with the stroma."""
    rng = np.random.default_rng(0)
    root = tmp_path / "data"
    for name, colour in COLOURS.items():
        (root / "train" / name).mkdir(parents=True)
        for i in range(12):
            shade = np.array(colour) + rng.normal(0, 15, 3)
            picture(np.broadcast_to(shade, (64, 64, 3)), rng).save(root / "train" / name / f"{i}.png")
    values = np.repeat(np.arange(2), 96)[:, None].repeat(128, 1).astype(np.uint8)
    for kind in ("img", "mask"):
        (root / "val" / kind).mkdir(parents=True)
    for i in range(2):
        colours = np.array([COLOURS["stroma"], COLOURS["gland"]])[values]
        picture(colours, rng).save(root / "val" / "img" / f"{i}.png")
        Picture.fromarray(values).save(root / "val" / "mask" / f"{i}.png")
    return root


@pytest.fixture
def widget(viewer) -> TrainAdapters:
    widget = TrainAdapters(viewer)
    viewer.window.add_dock_widget(widget, name="Train a model")
    widget.setValue(TrainingConfig(model=TINY, epochs=1, batch_size=8, image_size=64, patch_mpp=0.5))
    widget.setDevice("cpu")
    return widget


def choose(qtbot, widget: TrainAdapters, path: Path) -> None:
    person.write(person.find(widget, "Training patches", QLineEdit), str(path))
    qtbot.waitUntil(lambda: not widget.isLooking(), timeout=60_000)


def test_the_masks_order_is_proposed_and_used(qtbot, widget, data) -> None:
    choose(qtbot, widget, data)
    said = "The masks' value 0 looks like stroma (class 2 of the patches), value 1 like gland."
    assert said in person.words(widget)
    assert widget.request().classes.names == ("gland", "stroma"), "nothing changes by itself"
    person.click(person.find(widget, "Use the masks' order", QPushButton))
    assert widget.request().classes.names == ("stroma", "gland")
    assert "The masks are read as 0 stroma, 1 gland." in person.words(widget)
    assert said not in person.words(widget)


def test_a_proposal_can_be_refused(qtbot, widget, data) -> None:
    choose(qtbot, widget, data)
    person.click(person.find(widget, "Keep the order", QPushButton))
    assert widget.request().classes.names == ("gland", "stroma")
    assert "looks like" not in person.words(widget)


def test_labels_in_names_keep_their_order_and_the_masks_theirs(qtbot, widget, data) -> None:
    flat = data / "named" / "train"
    flat.mkdir(parents=True)
    for number, name in enumerate(sorted(COLOURS)):
        for path in (data / "train" / name).iterdir():
            bits = "".join(str(int(i == number)) for i in range(2))
            path.rename(flat / f"{name}_{path.stem}[{bits}].png")
    (data / "val").rename(data / "named" / "val")
    choose(qtbot, widget, data / "named")
    person.click(person.find(widget, "Use the masks' order", QPushButton))
    request = widget.request()
    assert request.classes.names == ("class_1", "class_2")
    assert request.config.mask_order == ("class_2", "class_1")


def test_after_training_the_masks_are_read_anew_without_training(qtbot, widget, data, monkeypatch) -> None:
    turned = OtherOrder((1, 0), 0.12, 0.71)
    monkeypatch.setattr(class_order, "other_order", lambda matrix: turned)
    choose(qtbot, widget, data)
    person.click(person.find(widget, "Keep the order", QPushButton))
    run = person.find(widget, "Train", QPushButton)
    with qtbot.waitSignal(widget.finished, timeout=120_000):
        person.click(run)
    words = person.words(widget)
    assert "The masks score better in the order 0 stroma, 1 gland: 12 % -> 71 % mIoU." in words
    assert words.count("in the order 0 stroma") == 1, "said once"
    assert "--" not in words
    before = load_checkpoint(widget.request().output)
    cancelling = widget.control.progressed.connect(lambda *_: widget.cancel())
    person.click(person.find(widget, "Use this order", QPushButton))
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    widget.control.progressed.disconnect(cancelling)
    assert "score better" in person.words(widget), "what was cancelled is proposed again"
    with qtbot.waitSignal(widget.finished, timeout=120_000):
        person.click(person.find(widget, "Use this order", QPushButton))
    after = load_checkpoint(widget.request().output)
    assert after.metrics["val_iou/gland"] != before.metrics["val_iou/gland"]
    assert after.training["identity"]["config"]["mask_order"] == ["stroma", "gland"]
    assert f"mIoU {100 * after.metrics['val_miou']:.1f} %" in person.words(widget)
    assert "score better" not in person.words(widget)
