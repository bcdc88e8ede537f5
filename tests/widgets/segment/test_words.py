"""Models without training: image-text encoders, beside the trained models of Segment."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture
from qtpy.QtWidgets import QApplication, QComboBox, QInputDialog, QPushButton
from typer.testing import CliRunner

from napari_construct.cli import app
from napari_construct.data.masks import read_mask
from napari_construct.inference.segment import segment
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.widgets.jobs.predictors import LoadedModel, load_model
from napari_construct.widgets.parts.words import START, WordsOptions
from napari_construct.widgets.refine.refine import Refine
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui

WORDS = "tumour: malignant glands | carcinoma; stroma: fibrous tissue"
QUICK = SegmentSettings(tile=128, overlap=32, crf=None)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No weights of the person who runs the tests."""
    from huggingface_hub import constants

    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "home"


@pytest.fixture
def widget(qtbot, viewer, tissue, tmp_path) -> SegmentTissue:
    path = tmp_path / "slide.png"
    Picture.fromarray(tissue).save(path)
    viewer.open(str(path), plugin="napari")
    widget = SegmentTissue(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    qtbot.waitUntil(lambda: not widget.control.blockedReason(), timeout=60_000)
    widget.setValue(QUICK)
    return widget


def run(qtbot, widget: SegmentTissue) -> None:
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning())


def combo(widget: SegmentTissue) -> QComboBox:
    return next(box for box in widget.findChildren(QComboBox) if box.accessibleName() == "Model")


def copied(widget, name: str) -> str:
    button = next(b for b in widget.findChildren(QPushButton) if b.accessibleName() == f"Copy as {name}")
    button.click()
    return QApplication.clipboard().text()


def choose(qtbot, widget: SegmentTissue, words: ZeroShotSettings) -> None:
    widget.setModel(words)
    qtbot.waitUntil(lambda: not widget.control.blockedReason(), timeout=60_000)


def test_encoders_that_know_words_are_offered(qtbot, widget, home, small_clip) -> None:
    folder = home / "weights" / "plip"
    folder.mkdir(parents=True)
    for name in ("pytorch_model.bin", "open_clip_config.json", "config.json"):
        (folder / name).write_bytes(b"x")
    box = combo(widget)
    qtbot.waitUntil(lambda: box.findText("zero-shot", flags=_contains()) >= 0, timeout=20_000)
    texts = {box.itemData(i): box.itemText(i) for i in range(box.count())}
    for name in ("conch", "quiltnet-b-16", "biomedclip", "pathgen-clip", "plip"):
        assert "zero-shot" in texts[f"zero-shot:{name}"]
    assert "not installed" in texts["zero-shot:conch"]
    tip = box.itemData(box.findData("zero-shot:conch"), 3)
    assert "CC-BY-NC-ND-4.0" in tip
    assert "Download it in Models" in tip
    assert not {"zero-shot:tiny", "zero-shot:mini", "zero-shot:open_clip:"} & set(texts)
    assert next(iter(texts)) == "lymph-node"  # trained ones first
    assert list(texts)[-1] == "another"


def _contains():
    from qtpy.QtCore import Qt

    return Qt.MatchFlag.MatchContains


def test_an_encoder_that_is_not_here_says_how_to_get_it(qtbot, widget, home, small_clip) -> None:
    widget.setModel("zero-shot:conch")
    qtbot.waitUntil(lambda: "conch" in widget.control.blockedReason(), timeout=20_000)
    said = widget.control.blockedReason()
    assert "Models" in said
    assert "CC-BY-NC-ND-4.0" in said
    folder = Path(small_clip.partition("local-dir:")[2])
    box = combo(widget)
    here = home / "weights" / "open_clip--hf-hub--some--clip"
    widget.setModel("zero-shot:open_clip:hf-hub:some/clip")
    qtbot.waitUntil(lambda: "some/clip" in widget.control.blockedReason(), timeout=20_000)
    shutil.copytree(folder, here)  # as a download would
    box.activated.emit(box.currentIndex())  # chosen again
    qtbot.waitUntil(lambda: not widget.control.blockedReason(), timeout=20_000)


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({}, {}),
        ({"attention": "maskclip", "prompt_ensemble": "prototypes"}, {"classes": ("stroma",)}),
        ({"templates": ("a {}.", "{}")}, {"mpp": 0.4}),
    ],
    ids=["plain", "ticked", "templates"],
)
def test_widget_python_and_command_give_identical_arrays(
    qtbot, viewer, widget, tissue, tmp_path, monkeypatch, small_clip, changes, settings
) -> None:
    words = ZeroShotSettings(encoder=small_clip, classes=WORDS, **changes)
    choose(qtbot, widget, words)
    assert widget.model() == words
    widget._parts.class_maps.click()
    widget.setValue(QUICK.changed(**settings))
    run(qtbot, widget)
    mask = viewer.layers["slide mask"].data
    expected = segment(tissue, words, widget.value())
    np.testing.assert_array_equal(mask, expected.labels)
    for name, cam in zip(("tumour", "stroma"), expected.cams, strict=True):
        np.testing.assert_array_equal(viewer.layers[f"slide {name} (class map)"].data, cam)
    present = [name for name, there in zip(words.classes.names, expected.presence, strict=True) if there]
    assert present == list(settings.get("classes", words.classes.names))
    found: dict[str, object] = {}
    exec(copied(widget, "Python"), found)
    np.testing.assert_array_equal(found["result"].labels, mask)
    np.testing.assert_array_equal(found["result"].cams, expected.cams)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, shlex.split(copied(widget, "Command line"))[1:])
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(read_mask(tmp_path / "results" / "slide_mask.tif"), mask)
    cams = tifffile.imread(tmp_path / "results" / "slide_cams.ome.tif")
    np.testing.assert_array_equal(cams, expected.cams)


def test_classes_are_written_in_the_table_and_come_back(qtbot, viewer, widget, small_clip) -> None:
    trained = widget._model.table.value()
    widget.setModel(f"zero-shot:{small_clip}")
    qtbot.waitUntil(lambda: not widget.control.blockedReason(), timeout=60_000)
    table = widget._model.table
    assert table.value() == trained  # the same classes to begin with
    table.addRow()
    table._table.item(2, 1).setText("fat")
    table._table.item(2, 2).setText("adipose tissue | fat vacuoles")
    assert widget.model().classes[2].prompt == "adipose tissue | fat vacuoles"
    run(qtbot, widget)
    assert viewer.layers["slide mask"].metadata["napari_construct"]["classes"][2] == "fat"
    assert widget._parts.classes._rows["fat"].area.text()
    table._table.selectRow(0)
    table.removeRow()
    words = widget.model()
    assert words.classes.names == ("lymphoid", "fat")
    widget.setModel("lymph-node")
    qtbot.waitUntil(lambda: table.value() == trained, timeout=20_000)
    widget.setModel(f"zero-shot:{small_clip}")
    qtbot.waitUntil(lambda: not widget.control.blockedReason(), timeout=60_000)
    assert widget.model() == words
    run(qtbot, widget)
    again = SegmentTissue(viewer)  # the next session
    qtbot.addWidget(again)
    assert again.model() == words
    qtbot.waitUntil(lambda: not again._model.isLoading(), timeout=60_000)


def test_words_say_what_they_are(qtbot, widget, small_clip) -> None:
    choose(qtbot, widget, ZeroShotSettings(encoder=small_clip, classes=WORDS))
    about = widget._model.chooser._about.text()
    assert "the words of the class table" in about
    assert "licence see the model's page" in about.replace("\u200b", "")
    assert "no resolution" in about
    options = widget.findChild(WordsOptions)
    assert options.isVisibleTo(widget)
    templates = options.field("templates")
    templates.setText("no place")
    templates.editingFinished.emit()
    assert "Write {} once" in widget.control.blockedReason()
    templates.setText("{} here")
    templates.editingFinished.emit()
    assert not widget.control.blockedReason()
    assert widget.model().templates == ("{} here",)


def test_another_encoder_is_asked_for(qtbot, widget, small_clip, monkeypatch) -> None:
    box = combo(widget)
    qtbot.waitUntil(lambda: box.findData("another") >= 0, timeout=20_000)
    answers = iter([("", False), (small_clip, True)])
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: next(answers))
    for expected in ("lymph-node", f"zero-shot:{small_clip}"):
        box.setCurrentIndex(box.findData("another"))
        box.activated.emit(box.currentIndex())
        assert widget._model.chooser.value() == expected
    qtbot.waitUntil(lambda: not widget.control.blockedReason(), timeout=60_000)
    assert widget.model().encoder == small_clip


def test_refine_copies_the_words(qtbot, viewer, widget, tissue, small_clip) -> None:
    words = ZeroShotSettings(encoder=small_clip, classes=WORDS)
    choose(qtbot, widget, words)
    run(qtbot, widget)
    refine = Refine(viewer)
    viewer.window.add_dock_widget(refine, name="Refine")
    qtbot.waitUntil(lambda: "ZeroShotSettings(" in copied(refine, "Python"), timeout=20_000)
    found: dict[str, object] = {}
    exec(copied(refine, "Python"), found)
    np.testing.assert_array_equal(found["result"].labels, viewer.layers["slide mask"].data)


def test_other_words_do_not_read_the_weights_again(small_clip) -> None:
    models = LoadedModel(load_model)
    first = models.get(ZeroShotSettings(encoder=small_clip, classes=WORDS), "cpu")
    second = models.get(ZeroShotSettings(encoder=small_clip, classes=START), "cpu")
    assert second.network.encoder is first.network.encoder
    assert second.classes == START
    third = models.get(ZeroShotSettings(encoder=small_clip, classes=START), "auto")
    assert third.network.encoder is not first.network.encoder
