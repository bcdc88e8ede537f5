"""Other patches bring fresh values, and what was changed by hand is shown as changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as Picture
from qtpy.QtWidgets import QCheckBox, QComboBox, QLineEdit, QPushButton, QToolButton
from tests.widgets import person

from napari_construct.widgets.train.train_adapters import TrainAdapters

pytestmark = [pytest.mark.gui, pytest.mark.shown]


def patches(camelyon: Path, root: Path, *, mpp: float | None = None) -> Path:
    """``train`` of two classes; with a pixel size, as TIFF that states it."""
    for path in sorted((camelyon / "train").rglob("*.png")):
        target = root / "train" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if mpp is None:
            target.write_bytes(path.read_bytes())
        else:
            with Picture.open(path) as picture:
                dots = 10_000 / mpp
                target = target.with_suffix(".tif")
                picture.save(target, resolution_unit=3, x_resolution=dots, y_resolution=dots)
    return root


def validation(camelyon: Path, root: Path) -> None:
    for kind in ("img", "mask"):
        (root / "val" / kind).mkdir(parents=True)
        for path in (camelyon / "val" / kind).glob("*.png"):
            (root / "val" / kind / path.name).write_bytes(path.read_bytes())


@pytest.fixture
def widget(viewer) -> TrainAdapters:
    widget = TrainAdapters(viewer)
    viewer.window.add_dock_widget(widget, name="Train a model")
    return widget


def choose(qtbot, widget: TrainAdapters, path: Path) -> None:
    person.write(person.find(widget, "Training patches", QLineEdit), str(path))
    qtbot.waitUntil(lambda: not widget.isLooking(), timeout=30_000)


def shown(widget: TrainAdapters, name: str) -> str:
    return person.find(widget, name, QLineEdit).text()


def test_other_patches_bring_their_own_values_and_the_first_ones_theirs(
    qtbot, widget, camelyon, tmp_path
) -> None:
    first, second = patches(camelyon, tmp_path / "first"), patches(camelyon, tmp_path / "second", mpp=0.5)
    validation(camelyon, first)
    (tmp_path / "second" / "second.construct").write_bytes(b"a model")
    choose(qtbot, widget, first)
    assert shown(widget, "Validation data") == str(first / "val")
    assert shown(widget, "Model file") == str(first / "first.construct")
    person.click(person.find(widget, "Pixel size 0.25 µm", QPushButton))
    person.write(person.find(widget, "Epochs"), "7")
    person.click(person.find(widget, "Options, open or close", QPushButton))
    qtbot.wait(100)  # the opened part is laid out in a later turn
    person.write(person.find(widget, "Batch size"), "2")
    person.write(person.find(widget, "Model file", QLineEdit), str(tmp_path / "mine.construct"))
    choose(qtbot, widget, second)
    request = widget.request()
    assert request.val is None
    assert request.output == second / "second-2.construct"
    assert (request.config.patch_mpp, request.config.epochs) == (pytest.approx(0.5), None)
    assert request.config.batch_size == 2, "of the user, not of the data"
    assert "Pixel size 0.5 µm, from the patches' files" in person.words(widget)
    assert "automatic (134)" in person.words(widget)  # three steps an epoch
    choose(qtbot, widget, first)
    request = widget.request()
    assert request.val == first / "val"
    assert request.output == tmp_path / "mine.construct"
    assert (request.config.patch_mpp, request.config.epochs) == (0.25, 7)


def test_another_validation_changes_nothing_else(qtbot, widget, camelyon, tmp_path) -> None:
    first = patches(camelyon, tmp_path / "first")
    validation(camelyon, tmp_path / "other")
    choose(qtbot, widget, first)
    person.click(person.find(widget, "Pixel size 1.0 µm", QPushButton))
    person.write(person.find(widget, "Epochs"), "3")
    person.write(person.find(widget, "Validation data", QLineEdit), str(tmp_path / "other" / "val"))
    qtbot.waitUntil(lambda: not widget.isLooking(), timeout=30_000)
    request = widget.request()
    assert (request.config.patch_mpp, request.config.epochs) == (1.0, 3)
    assert "1 images with masks" in person.words(widget)


def test_the_split_beside_chosen_patches_is_suggested(qtbot, widget, camelyon, tmp_path) -> None:
    first = patches(camelyon, tmp_path / "first")
    validation(camelyon, first)
    choose(qtbot, widget, first / "train")
    assert shown(widget, "Validation data") == str(first / "val")


def test_what_is_changed_is_shown_and_taken_back(qtbot, widget, camelyon, tmp_path) -> None:
    choose(qtbot, widget, patches(camelyon, tmp_path / "first"))
    assert not [b for b in widget.findChildren(QToolButton) if b.isVisibleTo(widget) and b.text() == "↺"]
    person.write(person.find(widget, "Epochs"), "20")
    person.click(person.find(widget, "Options, open or close", QPushButton))
    qtbot.wait(100)  # the opened part is laid out in a later turn
    person.choose(person.find(widget, "Device", QComboBox), "CPU")
    back = person.find(widget, "Reset Epochs", QToolButton)
    assert "Default: automatic" in back.toolTip()
    assert person.find(widget, "Reset Run on", QToolButton).isVisible()
    person.click(back)
    assert widget.value().epochs is None
    assert not back.isVisible()
    person.click(person.find(widget, "Advanced settings, open or close", QPushButton))
    qtbot.wait(100)  # the opened part is laid out in a later turn
    person.click(person.find(widget, "Calibrate on masks", QCheckBox))
    assert "Advanced settings (1 changed)" in person.words(widget)
    assert person.find(widget, "Calibrate on masks", QCheckBox).font().bold()


def test_a_pixel_size_that_was_typed_stays(qtbot, widget, camelyon, tmp_path) -> None:
    first = patches(camelyon, tmp_path / "first", mpp=0.5)
    choose(qtbot, widget, first)
    person.write(person.find(widget, "Pixel size (µm)"), "0,44")
    person.write(person.find(widget, "Validation data", QLineEdit), str(first / "train"))
    qtbot.waitUntil(lambda: not widget.isLooking(), timeout=30_000)
    assert widget.value().patch_mpp == 0.44
    assert "Default: 0.5" in person.find(widget, "Reset Pixel size", QToolButton).toolTip()
