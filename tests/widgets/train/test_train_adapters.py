"""Train a model in a real viewer: real patches, a tiny real network."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from qtpy.QtWidgets import QApplication, QCheckBox, QWidget
from tests.training.conftest import TINY
from tests.widgets.conftest import button, run_job

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.events import EpochDone, StepDone
from napari_construct.models.checkpoints.checkpoint import load_checkpoint
from napari_construct.training.config.config import AugmentationConfig, LossWeights, TrainingConfig
from napari_construct.widgets.segment.segment_tissue import SegmentTissue
from napari_construct.widgets.train.data import split_folders
from napari_construct.widgets.train.previews import drawn_over
from napari_construct.widgets.train.train_adapters import TrainAdapters

pytestmark = pytest.mark.gui

QUICK = TrainingConfig(
    model=TINY, epochs=2, batch_size=3, image_size=64, patch_mpp=0.25, seed=3, validate_every=1
)


@pytest.fixture
def data(camelyon, tmp_path) -> Path:
    """``train`` and ``val`` in one folder; patches in ``train/{lymphoid,tumour}``."""
    root = tmp_path / "slides"
    for path in sorted((camelyon / "train").rglob("*.png")):
        target = root / "train" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    for kind in ("img", "mask"):
        for path in (camelyon / "val" / kind).glob("*.png"):
            target = root / "val" / kind / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with Picture.open(path) as picture:
                picture.crop((0, 0, 96, 96)).save(target)
    return root


@pytest.fixture
def widget(viewer) -> TrainAdapters:
    widget = TrainAdapters(viewer)
    viewer.window.add_dock_widget(widget, name="Train a model")
    widget.setValue(QUICK)
    widget.setDevice("cpu")
    return widget


def choose(qtbot, widget: TrainAdapters, path: Path) -> None:
    widget.setData(str(path))
    looked(qtbot, widget)


def looked(qtbot, widget: TrainAdapters) -> None:
    qtbot.waitUntil(lambda: not widget.isLooking(), timeout=30_000)


def drawn_up(qtbot, widget: TrainAdapters) -> None:
    """The curves are drawn a few times a second, one plot after the other: wait until all show all."""
    plots = widget.progress._plots
    qtbot.waitUntil(
        lambda: (
            {name: plot.lines() for name, plot in plots.items()}
            == {name: widget.progress.lines(name) for name in ("losses", "scores", "rate")}
        ),
        timeout=20_000,
    )


def tree(widget: TrainAdapters) -> dict[str, dict[str, str]]:
    """Groups of the check, and what is in them."""
    items = [widget._patches.tree.topLevelItem(i) for i in range(widget._patches.tree.topLevelItemCount())]
    return {
        item.text(0): {item.child(i).text(0): item.child(i).text(1) for i in range(item.childCount())}
        for item in items
    }


def same(path: Path, other: Path) -> None:
    """Two checkpoints of one run: weights bit by bit, classes, calibration, metrics."""
    a, b = load_checkpoint(path), load_checkpoint(other)
    for name in ("classes", "calibration", "metrics", "training"):
        assert getattr(a, name) == getattr(b, name)
    for one, two in ((a.head_state, b.head_state), (a.encoder_state or {}, b.encoder_state or {})):
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    "value",
    [
        TrainingConfig(),
        TrainingConfig.of_preset("published"),
        QUICK.changed(
            patience=3,
            keep="best",
            average_from=None,
            pseudo_labels_from=None,
            encoder_learning_rate=3e-5,
            learning_rate=1.25e-7,
            image_size=None,
            seed=2**60 + 1,
            group_pattern="(p[0-9]+)_",
            mpp=0.62,
            validate_every=7,
        ),
        TrainingConfig(
            model=TINY.model_copy(update={"teacher": None, "encoder": "timm:vit_tiny_patch16_224"}),
            weights=LossWeights(distillation=0, contrast=0.123456),
            augmentation=AugmentationConfig.none(),
            average_from=0.0,
            encoder_learning_rate=None,
            feature_cache=True,
            views_per_patch=9,
            cache_gb=3.5,
            precision="bfloat16",
        ),
    ],
)
def test_value_is_what_was_set(qtbot, widget, value) -> None:
    seen = []
    widget.valueChanged.connect(seen.append)
    widget.setValue(value)
    assert widget.value() == value
    assert seen[-1:] == [value]
    widget.setValue(value)
    assert len(seen) == 1


def test_says_what_is_missing_step_by_step(qtbot, widget, data, tmp_path) -> None:
    assert "Choose the training patches" in widget.message()
    assert not button(widget, "Estimate time and memory").isEnabled()
    choose(qtbot, widget, data)
    assert widget.control.blockedReason() == ""
    widget.setOutput("")
    assert "Choose a file" in widget.message()
    widget.setOutput(str(tmp_path))
    assert "is a folder" in widget.message()
    (tmp_path / "old.construct").write_bytes(b"x")
    widget.setOutput(str(tmp_path / "old"))
    assert "old.construct exists" in widget.message()
    widget.setReplace(True)
    assert widget.message() == ""
    (tmp_path / "stopped.construct.training").write_bytes(b"x")
    widget.setOutput(str(tmp_path / "stopped"))
    assert widget.message() == ""  # it is resumed
    ticks = {tick.text(): tick for tick in widget.findChildren(QCheckBox)}
    ticks["Resume the stopped run"].setChecked(False)
    assert "A stopped run of stopped.construct exists" in widget.message()
    widget.setOutput(str(tmp_path / "new"))
    widget.setValue(QUICK.changed(mpp=0.5, patch_mpp=None))
    assert "µm" in widget.message()
    widget.setValue(QUICK.changed(model=TINY.model_dump() | {"encoder": "conch"}))
    assert "conch is not on this computer" in widget.message()


def test_folder_with_both_splits_and_the_order_of_classes(qtbot, widget, data) -> None:
    choose(qtbot, widget, data)
    request = widget.request()
    assert (request.data, request.val) == (data / "train", data / "val")
    assert request.output == data / "slides.construct"
    assert request.classes.names == ("lymphoid", "tumour")
    assert tree(widget)["Classes"] == {"lymphoid": "3", "tumour": "3"}
    assert tree(widget)["Label sets"] == {"lymphoid": "3", "tumour": "3"}
    assert tree(widget)["Sizes"] == {"128 x 128 px": "6"}
    widget.classes._table.selectRow(1)
    widget.classes.moveRow(-1)
    assert widget.request().classes.names == ("tumour", "lymphoid")
    widget.setData(str(data / "train" / ".." / "train"))  # the same patches again
    looked(qtbot, widget)
    assert widget.request().classes.names == ("tumour", "lymphoid")


def test_forms_of_data(qtbot, widget, data, tmp_path) -> None:
    patches = sorted((data / "train").rglob("*.png"))
    bcss = tmp_path / "BCSS" / "training"
    bcss.mkdir(parents=True)
    for i, path in enumerate(patches):
        (bcss / f"TCGA_{i}[{i % 2}1].png").write_bytes(path.read_bytes())
    choose(qtbot, widget, bcss.parent)
    assert widget.request().data == bcss
    assert widget.request().classes.names == ("class_1", "class_2")
    assert tree(widget)["Label sets"] == {"class_2": "3", "class_1, class_2": "3"}
    table = tmp_path / "labels.csv"
    rows = "".join(f"slides/train/{p.parent.name}/{p.name},{i % 2},1\n" for i, p in enumerate(patches))
    table.write_text(f"path,gland,stroma\n{rows}")
    choose(qtbot, widget, table)
    assert widget.request().classes.names == ("gland", "stroma")
    assert "stroma is positive in all" in " ".join(tree(widget)["Notes"])
    choose(qtbot, widget, tmp_path / "nowhere")
    assert "found nothing" in widget.message()
    assert not button(widget, "Train").isEnabled()


def test_names_of_classes_may_change_only_where_files_have_none(qtbot, widget, data, tmp_path) -> None:
    choose(qtbot, widget, data)
    editable = lambda column: bool(widget.classes._table.item(0, column).flags().value & 2)  # noqa: E731
    assert (editable(1), editable(2)) == (False, True)
    flat = tmp_path / "flat"
    flat.mkdir()
    for i, path in enumerate(sorted((data / "train").rglob("*.png"))):
        (flat / f"{i}[{i % 2}{(i + 1) % 2}].png").write_bytes(path.read_bytes())
    choose(qtbot, widget, flat)
    assert editable(1)
    widget.classes._table.item(0, 1).setText("gland")
    assert widget.request().classes.names == ("gland", "class_2")
    choose(qtbot, widget, flat / ".")
    assert widget.request().classes.names == ("gland", "class_2")


def test_bad_files_are_named_before_anything_runs(qtbot, widget, data) -> None:
    (data / "train" / "tumour" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Picture.fromarray(np.full((100, 90, 3), 200, np.uint8)).save(data / "train" / "tumour" / "odd.png")
    choose(qtbot, widget, data)
    assert list(tree(widget)["Unreadable"]) == ["tumour/broken.png"]
    assert list(tree(widget)["Odd size"]) == ["tumour/odd.png"]
    assert "1 of the patches cannot be read" in widget.message()
    widget.run()
    assert not widget.isRunning()


def test_wrong_validation_data(qtbot, widget, data, tmp_path) -> None:
    choose(qtbot, widget, data / "train")
    (tmp_path / "wrong" / "other").mkdir(parents=True)
    (tmp_path / "wrong" / "other" / "a.png").write_bytes(next((data / "train").rglob("*.png")).read_bytes())
    widget.setValidation(str(tmp_path / "wrong"))
    looked(qtbot, widget)
    assert "validation data cannot be used" in widget.message()
    widget.setValidation(str(data / "train"))
    looked(qtbot, widget)
    assert widget.control.blockedReason() == ""


def test_trains_shows_curves_and_previews_and_the_model_is_used(qtbot, viewer, widget, data) -> None:
    choose(qtbot, widget, data)
    events: list[Any] = []
    widget.control.progressed.connect(events.append)
    run_job(qtbot, widget)
    drawn_up(qtbot, widget)
    steps = [e for e in events if isinstance(e, StepDone)]
    epochs = [e for e in events if isinstance(e, EpochDone)]
    assert (len(steps), len(epochs)) == (4, 2)
    drawn = widget.progress._plots["losses"].lines()["all"]
    assert drawn == ([1, 2, 3, 4], pytest.approx([e.losses["loss"] for e in steps]))
    scores = widget.progress._plots["scores"].lines()["mIoU"]
    assert scores == ([1, 2], pytest.approx([e.metrics["val_miou"] for e in epochs]))
    assert widget.progress._plots["rate"].lines()["learning rate"][0] == [1, 2, 3, 4]
    assert widget.progress.previews.count() == 1
    assert "After epoch 2" in widget.progress.previews._title.text()
    assert "Done: epoch 2 (mIoU" in widget.message()
    output = data / "slides.construct"
    assert load_checkpoint(output).training["finished"]
    assert not (data / "slides.construct.training").exists()
    button(widget, "Evaluate...").click()
    _, evaluate = viewer.window.add_plugin_dock_widget("napari-construct", "Evaluate")
    assert (evaluate.value().mode, evaluate.value().model) == ("folders", str(output))
    assert evaluate._input.folders()[0] == data / "val"
    button(widget, "Use this model").click()
    _, segment = viewer.window.add_plugin_dock_widget("napari-construct", "Segment")
    assert isinstance(segment, SegmentTissue)
    assert segment.model() == str(output)
    qtbot.waitUntil(lambda: "being loaded" not in segment.message(), timeout=30_000)


def test_cancel_keeps_the_state_and_going_on_gives_the_same_model(qtbot, widget, data, tmp_path) -> None:
    choose(qtbot, widget, data)
    run_job(qtbot, widget)
    whole = data / "slides.construct"
    widget.setOutput(str(tmp_path / "parts"))
    pressed: list[float] = []

    def press(event: Any) -> None:
        if isinstance(event, StepDone) and event.done == 3 and not pressed:
            pressed.append(time.monotonic())
            widget.cancel()

    widget.control.progressed.connect(press)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    widget.control.progressed.disconnect(press)
    assert "state of the run is kept" in widget.message()
    assert button(widget, "Go on training").isEnabled()
    shown = list(widget.progress.lines("losses")["all"][0])
    run_job(qtbot, widget)
    assert widget.progress.lines("losses")["all"][0][: len(shown)] == shown  # the curves go on
    # a step that ended while the run was being cancelled counts, but may not have been shown
    assert list(widget.progress.lines("losses")["all"][0]) in ([1, 2, 3, 4], [1, 2, 3])
    same(whole, tmp_path / "parts.construct")


def test_after_a_restart_the_curves_begin_with_the_whole_run(qtbot, viewer, widget, data) -> None:
    widget.setValue(QUICK.changed(epochs=4))
    choose(qtbot, widget, data)
    events: list[Any] = []

    def stop(event: Any) -> None:
        events.append(event)
        if isinstance(event, StepDone) and event.done == 5:
            widget.cancel()

    widget.control.progressed.connect(stop)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    again = TrainAdapters(viewer)  # of the next session
    viewer.window.add_dock_widget(again, name="Train again")
    choose(qtbot, again, data)
    assert again.progress.lines("losses") == {}
    run_job(qtbot, again)
    epochs = [e for e in events if isinstance(e, EpochDone)]
    steps, all_losses = again.progress.lines("losses")["all"]
    assert steps[:2] == [2, 4]  # of finished epochs the means, at their last steps
    assert steps[-1] == 8
    assert all_losses[:2] == pytest.approx([e.metrics["loss"] for e in epochs])
    rates = {e.done: e.learning_rate for e in events if isinstance(e, StepDone)}
    shown = dict(zip(*again.progress.lines("rate")["learning rate"], strict=True))
    assert (shown[2], shown[4]) == (rates[2], rates[4])
    scores = again.progress.lines("scores")["mIoU"]
    assert scores[0] == [1, 2, 3, 4]
    assert scores[1][:2] == pytest.approx([e.metrics["val_miou"] for e in epochs])
    again.setOutput(str(data / "another"))
    again.run()
    assert again.progress.lines("losses") == {}  # of another run
    again.cancel()
    qtbot.waitUntil(lambda: not again.isRunning(), timeout=60_000)


def test_other_settings_cannot_go_on(qtbot, widget, data) -> None:
    choose(qtbot, widget, data)
    widget.control.progressed.connect(lambda e: widget.cancel() if isinstance(e, StepDone) else None)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    widget.setValue(QUICK.changed(learning_rate=0.02))
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert "learning_rate" in widget.message()


def test_what_is_copied_gives_identical_models(qtbot, widget, data, tmp_path) -> None:
    from typer.testing import CliRunner

    from napari_construct.cli import app

    choose(qtbot, widget, data)
    classes = (
        TissueClass(name="tumour", prompt='islands of "dark" cells', colour="#112233"),
        TissueClass(name="lymphoid", colour="#445566", ignored=True),
    )
    widget.classes.setValue(ClassTable(classes=classes))
    value = QUICK.changed(
        epochs=1, average_from=None, weights={"distillation": 0.7, "diversity": 0.01}, sampling="uniform"
    )
    widget.setValue(value)
    run_job(qtbot, widget)
    model = data / "slides.construct"
    for name in ("Command line", "Python"):
        output = tmp_path / f"{name} again.construct"
        widget.setOutput(str(output))
        button(widget, f"Copy as {name}").click()
        text = QApplication.clipboard().text()
        if name == "Python":
            exec(text, {})
        else:
            done = CliRunner().invoke(app, shlex.split(text)[1:])
            assert done.exit_code == 0, done.output
        same(model, output)


def test_estimate_says_what_a_run_costs(qtbot, widget, data) -> None:
    choose(qtbot, widget, data)
    widget.estimate()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    text = widget._estimate.text()
    assert "4 steps of" in text
    assert "2 validations" in text or "validation" not in text
    assert "Memory up to" in text
    assert not (data / "slides.construct").exists()
    widget.setValue(QUICK.changed(epochs=9))
    assert widget._estimate.text() == ""  # it was that of other settings


def test_closing_the_viewer_while_it_trains_keeps_the_state(qtbot, viewer, widget, data) -> None:
    widget.setValue(QUICK.changed(epochs=500))
    choose(qtbot, widget, data)
    steps: list[Any] = []
    widget.control.progressed.connect(steps.append)
    widget.run()
    qtbot.waitUntil(lambda: any(isinstance(e, StepDone) for e in steps), timeout=60_000)
    viewer.close()
    state = data / "slides.construct.training"
    qtbot.waitUntil(state.is_file, timeout=20_000)


def test_settings_are_remembered(qtbot, viewer, widget, data) -> None:
    choose(qtbot, widget, data)
    widget.setValue(QUICK.changed(epochs=1, learning_rate=0.003))
    run_job(qtbot, widget)
    other = TrainAdapters(viewer)
    qtbot.addWidget(other)
    assert other.value() == QUICK.changed(
        learning_rate=0.003, epochs=None, image_size=None, patch_mpp=None
    ), "what was set for the data of the last session is none of this one's"


def test_split_folders(tmp_path) -> None:
    assert split_folders(tmp_path) == (tmp_path, None)
    for name in ("Training", "val", "other"):
        (tmp_path / name).mkdir()
    assert split_folders(tmp_path) == (tmp_path / "Training", tmp_path / "val")


def test_activation_is_drawn_in_the_colour_of_the_strongest_class() -> None:
    classes = ClassTable.from_names(("a", "b"), palette=("#FF0000", "#0000FF"))
    image = np.full((1, 3, 3), 100, np.uint8)
    cams = np.array([[[1.0, 0.2, 0.0]], [[0.5, 1.0, 0.0]]], np.float32)
    drawn = drawn_over(image, cams, classes)
    np.testing.assert_allclose(drawn[0], [[209, 30, 30], [30, 30, 209], [100, 100, 100]], atol=1)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_fits_a_dock_of_320_pixels_while_it_shows_a_run(qtbot, viewer, widget, data, theme) -> None:
    viewer.theme = theme
    choose(qtbot, widget, data)
    widget.setValue(QUICK.changed(epochs=1))
    run_job(qtbot, widget)
    drawn_up(qtbot, widget)
    assert widget.minimumSizeHint().width() <= 320
    assert widget.findChild(QWidget, "inside").minimumSizeHint().width() <= 300
