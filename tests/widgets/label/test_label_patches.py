"""The dock Label patches, as a person at the keyboard uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QPushButton
from tests.labelling.conftest import SIDE, sheet
from tests.widgets.conftest import run_job

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import load_dataset
from napari_construct.events import run
from napari_construct.labelling.cut import cut_patches
from napari_construct.labelling.session import LabelSession
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.label.label_patches import LabelPatches
from napari_construct.widgets.label.recipes import cut_as_command, cut_as_python

pytestmark = pytest.mark.gui

CLASSES = ClassTable.from_names(("tumour", "stroma", "lymphoid"))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "images" / "tissue.png"
    path.parent.mkdir()
    kinds = [["even", "striped", "dotted", "even"] for _ in range(5)]
    Image.fromarray(sheet(kinds)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, image: Path) -> Path:
    return cut_patches(image, tmp_path / "to_label", CLASSES, count=20, side=SIDE, choice="random")


@pytest.fixture
def dock(qtbot, viewer) -> LabelPatches:
    widget = LabelPatches(viewer)
    viewer.window.add_dock_widget(widget, name="Label patches")
    return widget


@pytest.fixture
def opened(dock: LabelPatches, folder: Path) -> LabelPatches:
    dock.openFolder(str(folder))
    assert dock.session() is not None, dock.message()
    return dock


def press(dock: LabelPatches, keys: str) -> None:
    """Digits, ``>`` Enter, ``<`` Backspace, ``u`` undo, ``r`` redo, ``N``."""
    control = Qt.KeyboardModifier.ControlModifier
    for key in keys:
        if key == ">":
            QTest.keyClick(dock.gallery, Qt.Key.Key_Return)
        elif key == "<":
            QTest.keyClick(dock.gallery, Qt.Key.Key_Backspace)
        elif key == "u":
            QTest.keyClick(dock.gallery, Qt.Key.Key_Z, control)
        elif key == "r":
            QTest.keyClick(dock.gallery, Qt.Key.Key_Y, control)
        else:
            QTest.keyClick(dock.gallery, key)


def labels_of(dock: LabelPatches, count: int) -> list[frozenset[int] | None]:
    session = dock.session()
    assert session is not None
    return [session.labels(i) for i in range(count)]


def progress(dock: LabelPatches) -> str:
    return str(dock.gallery._progress.text())


def test_digits_enter_back_none_and_undo(opened: LabelPatches) -> None:
    press(opened, "1>12>0>>3")
    assert labels_of(opened, 6) == [{0}, {0, 1}, frozenset(), None, {2}, None]
    assert progress(opened) == "4 of 20 labelled: 2 tumour, 1 stroma, 1 lymphoid, 1 none of them."
    press(opened, "<<1")  # of "none of them", a class is one again
    assert labels_of(opened, 3)[2] == {0}
    press(opened, "uu")
    assert labels_of(opened, 5) == [{0}, {0, 1}, frozenset(), None, None]
    assert opened.gallery.place() == 4  # where the label was that was taken back
    press(opened, "r9N")
    assert labels_of(opened, 5)[4] == {2}  # there are three classes only
    assert opened.gallery.place() == 5
    QTest.keyClick(opened.gallery, Qt.Key.Key_End)
    press(opened, ">")
    assert opened.gallery.place() == 19
    QTest.keyClick(opened.gallery, Qt.Key.Key_Home)
    press(opened, "<11")
    assert labels_of(opened, 1) == [{0}]


def test_a_held_digit_counts_once(opened: LabelPatches) -> None:
    from qtpy.QtCore import QEvent
    from qtpy.QtGui import QKeyEvent

    none = Qt.KeyboardModifier.NoModifier
    for repeated in (False, True, True):
        event = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_1, none, "1", repeated)
        QApplication.sendEvent(opened.gallery, event)
        assert event.isAccepted()
    assert labels_of(opened, 1) == [{0}]


def test_every_key_counts_and_the_folder_trains(opened: LabelPatches, tmp_path: Path) -> None:
    from napari_construct.training.loop.train import train_steps

    for i in range(20):
        press(opened, f"{i % 3 + 1}>")
    assert labels_of(opened, 20) == [{i % 3} for i in range(20)]
    session = opened.session()
    assert session is not None
    opened.gallery.close_session()
    dataset = load_dataset(session.folder)
    assert dataset.class_names == CLASSES.names
    assert dataset.labels.sum(axis=0).tolist() == [7, 7, 6]
    from napari_construct.models.network.config import ModelConfig

    config = TrainingConfig(model=ModelConfig(encoder="tiny", teacher=None), epochs=1, batch_size=10)
    output = tmp_path / "own.construct"
    trained = run(train_steps(dataset, config, classes=CLASSES, output=output))
    assert trained.classes.names == CLASSES.names


def test_no_key_is_taken_elsewhere_and_none_of_ours_reaches_napari(opened: LabelPatches, viewer: Any) -> None:
    pressed: list[str] = []
    labels = viewer.add_labels(np.zeros((8, 8), np.uint8))
    labels.bind_key("1", lambda *_: pressed.append("1"), overwrite=True)
    opened.gallery.setFocus()
    QTest.keyClick(opened.gallery, "1")
    assert pressed == []
    assert labels_of(opened, 1) == [{0}]
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, "1")
    assert pressed == ["1"]
    assert labels_of(opened, 1) == [{0}]
    line = opened.form._output._line
    line.clear()
    QTest.keyClicks(line, "12")
    assert line.text() == "12"
    assert labels_of(opened, 1) == [{0}]


@pytest.mark.shown
def test_shortcuts_of_the_window_do_not_get_there_first(qtbot, viewer, folder: Path) -> None:
    dock = LabelPatches(viewer)
    viewer.window.add_dock_widget(dock, name="Label patches")
    dock.openFolder(str(folder))
    viewer.window.activate()
    qtbot.waitUntil(dock.gallery.hasFocus, timeout=10_000)
    labels = viewer.add_labels(np.zeros((8, 8), np.uint8))
    labels.paint((4, 4), 1)
    dock.gallery.setFocus()
    for key in "1":
        QTest.keyClick(dock.gallery, key)
    QTest.keyClick(dock.gallery, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert labels_of(dock, 1) == [None]
    assert labels.data[4, 4] == 1  # Ctrl+Z was ours
    # the buttons leave the keyboard where it is
    for one in dock.gallery.findChildren(QPushButton):
        if one.isEnabled():
            QTest.mouseClick(one, Qt.MouseButton.LeftButton)
            assert dock.gallery.hasFocus()


def test_layers_are_cut_in_the_worker_and_labelled(qtbot, dock, viewer, tissue, tmp_path: Path) -> None:
    assert "Open an image" in dock.message()
    big = np.tile(tissue, (2, 2, 1))
    viewer.add_image(big, name="slide", rgb=True, scale=(0.25, 0.25), units=("um", "um"))
    assert "Choose a new folder" in dock.message()
    dock.form.setOutput(str(tmp_path / "new"))
    dock.form.classes.setValue(CLASSES)
    settings = dock.form.settings.value().changed(count=6, side=64, candidates=10)
    dock.form.settings.setValue(settings)
    request = dock.request()
    run_job(qtbot, dock)
    session = dock.session()
    assert session is not None
    assert len(session) == 6
    assert {patch.group for patch in session.patches} == {"slide"}
    assert {patch.mpp for patch in session.patches} == {0.5}
    assert "6 patches of 1 image" in dock.message()
    assert not dock.form.isVisible()
    assert "viewer.layers['slide'].data" in cut_as_python(request)
    assert "image_mpp=0.25" in cut_as_python(request)
    with pytest.raises(ValueError, match="got one in memory"):
        cut_as_command(request)


def test_a_cancelled_cut_leaves_nothing(qtbot, dock, image: Path, tmp_path: Path, monkeypatch) -> None:
    import napari_construct.labelling.cut as cutting

    dock.form.setSource(str(image.parent))
    dock.form.setOutput(str(tmp_path / "new"))
    dock.form.settings.setValue(dock.form.settings.value().changed(count=15, side=64, choice="random"))
    save, saved = cutting._save, []

    def slow(*args: Any) -> None:
        save(*args)
        saved.append(args)
        if len(saved) == 4:
            dock.cancel()

    monkeypatch.setattr(cutting, "_save", slow)
    dock.run()
    qtbot.waitUntil(lambda: not dock.isRunning(), timeout=60_000)
    assert dock.message().startswith("Cancelled; nothing was written.")
    assert not (tmp_path / "new").exists()
    assert dock.session() is None


def test_resume_another_session_and_a_damaged_folder(dock: LabelPatches, folder: Path) -> None:
    with LabelSession(folder) as other:
        other.toggle(0, 1)
        dock.openFolder(str(folder))
        assert dock.session() is None
        assert "no other run" in dock.message()
    dock.openFolder(str(folder))
    assert dock.gallery.place() == 1  # the first without a label
    assert progress(dock).startswith("1 of 20")
    press(dock, "1")
    dock.openFolder(str(folder))  # again: the one before is closed first
    assert labels_of(dock, 2) == [{1}, {0}]
    dock.gallery.close_session()
    (folder / "labels.csv").write_text("path,tumour\n")
    dock.openFolder(str(folder))
    assert "restore the header" in dock.message()
    assert dock.gallery.isHidden()  # the form is there again


def test_guesses_order_the_patches(dock: LabelPatches, folder: Path) -> None:
    from napari_construct.labelling.description import read_description

    about = read_description(folder)
    patches = tuple(p.changed(guess=(i / 20, 1 - i / 20)) for i, p in enumerate(about.patches))
    changed = about.model_copy(update={"patches": patches, "model": "mine", "guessed": ("a", "b")})
    changed.write(folder)
    dock.openFolder(str(folder))
    assert "mine: b 100 %" in dock.gallery._about.text()
    dock.gallery.setOrder("doubt")
    assert dock.gallery.number() == 10
    press(dock, "2>")
    assert labels_of(dock, 11)[10] == {1}
    assert dock.gallery.number() == 9
    dock.gallery.setOrder("guess")
    assert dock.gallery.number() == 19
    dock.gallery.close_session()
    dock.openFolder(str(folder))
    assert dock.gallery.order() == "cut"


def test_train_gets_the_folder(qtbot, opened: LabelPatches, viewer: Any) -> None:
    assert not opened._train.isEnabled()
    press(opened, "1>2>3>0")
    assert opened._train.isEnabled()
    opened.train()
    train = next(w for name, w in viewer.window.dock_widgets.items() if name.startswith("Train"))
    qtbot.waitUntil(lambda: not train.isLooking(), timeout=60_000)
    assert train.classes.value().names == CLASSES.names
    assert train._files.data() == str(opened.session().folder)


def test_recipes_cut_the_same(dock: LabelPatches, image: Path, tmp_path: Path) -> None:
    dock.form.setSource(str(image))
    dock.form.setOutput(str(tmp_path / "new"))
    dock.form.settings.setValue(dock.form.settings.value().changed(count=5, side=64, choice="random", seed=3))
    request = dock.request()
    exec(compile(cut_as_python(request).replace(", progress=True", ""), "recipe", "exec"), {})
    assert len(load_table(tmp_path / "new")) == 6
    import shlex

    from typer.testing import CliRunner

    from napari_construct.cli import app

    words = shlex.split(cut_as_command(request))
    words[words.index("--output") + 1] = str(tmp_path / "other")
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.output
    assert load_table(tmp_path / "new") == load_table(tmp_path / "other")


def load_table(folder: Path) -> list[str]:
    return (folder / "labels.csv").read_text("utf-8").splitlines()


def test_what_is_dropped(dock: LabelPatches, folder: Path, image: Path) -> None:
    assert "cannot be used here" in dock.takeDropped([image, folder])
    assert dock.takeDropped([image]) == ""
    assert dock.form.value().sources == (image,)
    assert dock.takeDropped([folder]) == ""
    assert dock.session() is not None
    dock.closed.emit()
    LabelSession(folder).close()


def test_a_full_disk_is_said(opened: LabelPatches, monkeypatch) -> None:
    import os

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        press(opened, "1")
    assert "No space left" in opened.message()
    assert labels_of(opened, 1) == [None]
