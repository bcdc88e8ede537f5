"""A run that was stopped goes on in the next session; what is said of a run goes with its patches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture
from qtpy.QtWidgets import QLineEdit, QPushButton
from tests.widgets import person

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.events import StepDone
from napari_construct.models.checkpoints.checkpoint import load_checkpoint
from napari_construct.models.network.config import ModelConfig
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.train.train_adapters import TrainAdapters

pytestmark = [pytest.mark.gui, pytest.mark.shown]

SIZES = {"prototype_width": 16, "projection_hidden": 16, "fusion_width": 16, "guidance_levels": (1, 2)}
TINY = ModelConfig(encoder="tiny", teacher=None, **SIZES)


@pytest.fixture
def data(camelyon, tmp_path) -> Path:
    """``train`` with a folder for each class, and ``val`` with an image and its mask."""
    root = tmp_path / "slides"
    for path in (*(camelyon / "train").rglob("*.png"), *(camelyon / "val").rglob("*.png")):
        target = root / path.relative_to(camelyon)
        target.parent.mkdir(parents=True, exist_ok=True)
        with Picture.open(path) as picture:
            picture.crop((0, 0, 96, 96)).save(target)
    return root


@pytest.fixture
def widget(qtbot, viewer) -> TrainAdapters:
    widget = session(qtbot, viewer)
    widget.setValue(TrainingConfig(model=TINY, batch_size=3, image_size=64, patch_mpp=0.25))
    widget.setDevice("cpu")
    return widget


def session(qtbot: Any, viewer: Any) -> TrainAdapters:
    """The dock as it is when napari opens."""
    widget = TrainAdapters(viewer)
    viewer.window.add_dock_widget(widget, name="Train a model")
    qtbot.waitUntil(widget.isVisible, timeout=10_000)
    return widget


def choose(qtbot: Any, widget: TrainAdapters, path: Path, name: str = "Training patches") -> None:
    person.write(person.find(widget, name, QLineEdit), str(path))
    qtbot.waitUntil(lambda: not widget.isLooking(), timeout=30_000)


def train(qtbot: Any, widget: TrainAdapters, verb: str = "Train") -> None:
    person.click(person.find(widget, verb, QPushButton))
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=120_000)


def test_a_stopped_run_goes_on_in_the_next_session(qtbot, viewer, widget, data, tmp_path) -> None:
    """With the file, validation data, settings and classes that it was begun with."""
    choose(qtbot, widget, data)
    person.write(person.find(widget, "Model file", QLineEdit), str(tmp_path / "mine.construct"))
    person.write(person.find(widget, "Epochs"), "4")
    choose(qtbot, widget, data / "train", "Validation data")
    named = [TissueClass(name=one.name, prompt="of mine") for one in widget.request().classes]
    widget.classes.setValue(ClassTable(classes=tuple(named)))
    begun = widget.request()
    widget.control.progressed.connect(lambda e: widget.cancel() if isinstance(e, StepDone) else None)
    train(qtbot, widget)
    assert "Press Go on training" in widget.message()
    viewer.window.remove_dock_widget(widget)
    again = session(qtbot, viewer)
    choose(qtbot, again, data)
    request = again.request()
    assert (request.output, request.val, request.classes) == (begun.output, begun.val, begun.classes)
    assert request.config.epochs == 4
    train(qtbot, again, "Go on training")
    assert "Done: epoch 4" in again.message()
    assert load_checkpoint(begun.output).training["finished"]


def test_another_stopped_run_brings_its_settings(qtbot, viewer, widget, data, tmp_path) -> None:
    """Where the memory knows another run: the state beside the model does."""
    choose(qtbot, widget, data)
    person.write(person.find(widget, "Epochs"), "3")
    stop = widget.control.progressed.connect(lambda e: widget.cancel() if isinstance(e, StepDone) else None)
    train(qtbot, widget)
    widget.control.progressed.disconnect(stop)
    person.write(person.find(widget, "Model file", QLineEdit), str(tmp_path / "other.construct"))
    person.write(person.find(widget, "Epochs"), "1")
    train(qtbot, widget)
    viewer.window.remove_dock_widget(widget)
    again = session(qtbot, viewer)
    choose(qtbot, again, data)
    assert again.request().config.epochs == 3
    train(qtbot, again, "Go on training")
    assert "Done: epoch 3" in again.message()


def test_what_is_said_of_a_run_goes_with_its_patches(qtbot, widget, data, camelyon) -> None:
    assert "Move up" not in person.words(widget), "no empty table"
    choose(qtbot, widget, data)
    assert "Move up" in person.words(widget)
    person.write(person.find(widget, "Epochs"), "1")
    train(qtbot, widget)
    qtbot.waitUntil(widget.progress.isVisible, timeout=20_000)
    assert "Done: epoch 1" in person.words(widget)
    choose(qtbot, widget, camelyon / "train")
    words = person.words(widget)
    assert not [said for said in ("Done", "slides.construct", "Evaluate...", "Epoch 1") if said in words]
    assert not widget.progress.isVisible()
