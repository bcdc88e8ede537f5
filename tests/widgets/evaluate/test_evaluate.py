"""Evaluate in a real viewer: layers by hand-counted pixels, folders against the headless evaluation."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from PIL import Image as Picture
from qtpy.QtWidgets import QApplication, QWidget
from tests.widgets.conftest import button, run_job

from napari_construct.evaluation.evaluate import evaluate
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.evaluate.errors import errors_of
from napari_construct.widgets.evaluate.evaluate import Evaluate
from napari_construct.widgets.evaluate.settings import EvaluateSettings
from napari_construct.widgets.layers import METADATA_KEY

pytestmark = pytest.mark.gui

QUICK = SegmentSettings(tile=128, overlap=32, crf=None)

# 4 x 5 pixels: truth 1 and 2, 0 unlabelled
TRUTH = np.array([[1, 1, 1, 1, 0], [1, 1, 2, 2, 0], [2, 2, 2, 2, 0], [2, 2, 2, 2, 0]], np.uint8)
PREDICTION = np.array([[1, 1, 1, 2, 1], [1, 0, 2, 2, 2], [2, 2, 2, 1, 1], [2, 2, 0, 2, 0]], np.uint8)
# of 6 true 1: 4 right, 1 as 2, 1 unlabelled; of 10 true 2: 8 right, 1 as 1, 1 unlabelled
COUNTS = [[4, 1, 1], [1, 8, 1]]
ROWS = [
    ("tumour", "57.1", "72.7", "80.0", "66.7"),  # 4 of 6 + 5 - 4; 8 of 11; 4 of 5; 4 of 6
    ("stroma", "72.7", "84.2", "88.9", "80.0"),  # 8 of 10 + 9 - 8; 16 of 19; 8 of 9; 8 of 10
    ("mean", "64.9", "78.5", "84.4", "73.3"),
]


@pytest.fixture
def widget(viewer) -> Evaluate:
    widget = Evaluate(viewer)
    viewer.window.add_dock_widget(widget, name="Evaluate")
    return widget


@pytest.fixture
def layers(viewer) -> tuple[Labels, Labels]:
    features = {"index": [1, 2], "class": ["tumour", "stroma"]}
    placement: dict[str, Any] = {
        "scale": (0.5, 0.25),
        "translate": (3, 4),
        "rotate": 30,
        "units": ("um", "um"),
    }
    truth = viewer.add_labels(TRUTH, name="annotation", features=features, **placement)
    metadata = {METADATA_KEY: {"kind": "labels", "classes": ("tumour", "stroma")}}
    prediction = viewer.add_labels(PREDICTION, name="mask", metadata=metadata, **placement)
    return prediction, truth


@pytest.fixture
def folder(camelyon, tmp_path) -> Path:
    """Two images of 128 px with masks (0, 1 classes, 2 white), and one without a mask."""
    root = tmp_path / "val"
    for kind in ("img", "mask"):
        (root / kind).mkdir(parents=True)
        source = next((camelyon / "val" / kind).glob("*.png"))
        for name, box in (("a", (0, 0, 128, 128)), ("b", (128, 128, 256, 256))):
            with Picture.open(source) as picture:
                picture.crop(box).save(root / kind / f"{name}.png")
    (root / "img" / "c.png").write_bytes((root / "img" / "a.png").read_bytes())
    return root


@pytest.mark.parametrize(
    "value",
    [
        EvaluateSettings(),
        EvaluateSettings(mode="folders", ignore=(2, 7), segment=SegmentSettings(crf=None, views="six")),
        EvaluateSettings(
            first_class=0, ignore=(0,), segment=SegmentSettings(presence_threshold=0.3, tile=256)
        ),
    ],
)
def test_value_is_what_was_set(widget, value) -> None:
    widget.setValue(value)
    assert widget.value() == value


def test_says_what_is_missing(qtbot, viewer, widget) -> None:
    assert "Segment an image first" in widget.message()
    viewer.add_labels(TRUTH, name="annotation")
    assert "another labels layer" in widget.message()
    widget.setValue(EvaluateSettings(mode="folders"))
    assert "folder of images" in widget.message()
    widget.setFolders("somewhere")
    assert widget.message() == ""
    widget._input.ignored.setText("2, x")
    assert "whole numbers" in widget.message()
    widget._input.ignored.setText("2, 256")
    assert "whole numbers" in widget.message()


def test_layers_by_hand(qtbot, viewer, widget, layers) -> None:
    prediction, truth = layers
    widget.setLayers(prediction, truth)
    run_job(qtbot, widget)
    assert widget.outcome.scored().matrices["predicted"].tolist() == COUNTS
    assert widget.outcome.table.rows() == ROWS
    assert widget.outcome._plot.texts() == ["67", "17", "17", "10", "80", "10"]
    assert "mIoU 64.9 %" in widget.message()
    errors = viewer.layers["mask (errors)"]
    np.testing.assert_array_equal(
        errors.data, [[1, 1, 1, 2, 0], [1, 3, 1, 1, 0], [1, 1, 1, 2, 0], [1, 1, 3, 1, 0]]
    )
    assert errors.features["pixels"].tolist() == [12, 2, 2]
    np.testing.assert_allclose(errors.data_to_world((2, 3)), prediction.data_to_world((2, 3)))
    assert [str(u) for u in errors.units] == [str(u) for u in prediction.units]
    np.testing.assert_array_equal(truth.data, TRUTH)  # nobody's layer is written to
    offered = {widget._input.prediction.itemText(i) for i in range(widget._input.prediction.count())}
    assert not any(errors.name in text for text in offered)  # an error map is no candidate


def test_values_of_mask_files_and_ignored_ones(qtbot, viewer, widget, layers) -> None:
    on_disk = np.where(TRUTH == 0, 2, TRUTH - 1).astype(np.uint8)
    other = viewer.add_labels(on_disk, name="from a file")
    widget.setLayers(layers[0], other)
    widget.setValue(EvaluateSettings(first_class=0))
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning())
    assert "expected values from 0 to 1 in a mask, got 2" in widget.message()
    widget.setValue(EvaluateSettings(first_class=0, ignore=(2,)))
    run_job(qtbot, widget)
    assert widget.outcome.table.rows() == ROWS


def test_stacks_and_layers_without_names(qtbot, viewer, widget) -> None:
    prediction = viewer.add_labels(np.stack([PREDICTION, TRUTH]).astype(np.int32), name="p")
    truth = viewer.add_labels(np.stack([TRUTH, TRUTH]), name="t")
    widget.setLayers(prediction, truth)
    run_job(qtbot, widget)
    assert widget.outcome.scored().names == ("class 1", "class 2")
    assert widget.outcome.scored().matrices["predicted"].tolist() == [[10, 1, 1], [1, 18, 1]]
    assert viewer.layers["p (errors)"].data.shape == (2, 4, 5)


def test_layers_of_different_shape(viewer, widget, layers) -> None:
    other = viewer.add_labels(TRUTH[:3], name="cut")
    widget.setLayers(layers[0], other)
    widget.run()
    assert "expected labels of one shape" in widget.message()


def test_layers_renamed_while_the_job_runs(qtbot, viewer, widget, layers) -> None:
    widget.setLayers(*layers)

    def rename(_: Any) -> None:
        layers[0].name = "mine"

    widget.control.progressed.connect(rename)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=30_000)
    assert widget.outcome.table.rows() == ROWS
    assert widget.outcome.scored().about["prediction"] == "mask"  # as it was called
    assert [layer.name for layer in viewer.layers] == ["annotation", "mine", "mask (errors)"]
    assert widget._input.prediction.currentText() == "mine"


def test_layers_as_python(qtbot, viewer, widget, layers) -> None:
    widget.setLayers(*layers)
    button(widget, "Copy as Python").click()
    names: dict[str, Any] = {"viewer": viewer}
    exec(QApplication.clipboard().text(), names)
    assert names["matrix"].tolist() == COUNTS
    button(widget, "Copy as Command line").click()
    assert "napari only" in widget.message()


def test_folders_as_the_headless_evaluation(qtbot, widget, folder, checkpoint) -> None:
    widget.setValue(EvaluateSettings(mode="folders", ignore=(2,), model=str(checkpoint), segment=QUICK))
    widget.setFolders(str(folder))
    run_job(qtbot, widget)
    expected = evaluate(folder / "img", folder / "mask", checkpoint, QUICK, ignore=[2])
    scored = widget.outcome.scored()
    for column in ("predicted", "oracle"):
        np.testing.assert_array_equal(scored.matrices[column], expected.confusion(column))
        widget.outcome.setColumn(column)
        iou = [f"{100 * value:.1f}" for value in getattr(expected, column)["iou"]]
        assert [row[1] for row in widget.outcome.table.rows()[:-1]] == [w.replace("nan", "-") for w in iou]
    assert scored.content["predicted"] == expected.to_dict()["predicted"]
    assert [row[0] for row in widget.outcome.images.rows()] == ["a.png", "b.png"]
    assert "over 2 images" in widget.message()


def test_double_click_opens_an_image_with_its_errors(qtbot, viewer, widget, folder, checkpoint) -> None:
    widget.setValue(EvaluateSettings(mode="folders", ignore=(2,), model=str(checkpoint), segment=QUICK))
    widget.setFolders(str(folder / "img"), str(folder / "mask"))
    run_job(qtbot, widget)
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        widget.outcome.images.cellDoubleClicked.emit(1, 0)
    assert [layer.name for layer in viewer.layers] == ["b", "b (truth)", "b mask", "b (errors)"]
    errors, mask = viewer.layers["b (errors)"].data, viewer.layers["b mask"].data
    truth = viewer.layers["b (truth)"].data
    np.testing.assert_array_equal(errors == 1, (mask == truth) & (truth > 0))
    np.testing.assert_array_equal(errors == 0, truth == 0)


def test_what_is_copied_gives_identical_scores(qtbot, widget, folder, checkpoint, tmp_path) -> None:
    from typer.testing import CliRunner

    from napari_construct.cli import app

    segment = QUICK.changed(min_confidence=0.505, presence_threshold=0.2, background={"brightness": 200})
    widget.setValue(EvaluateSettings(mode="folders", ignore=(2,), model=str(checkpoint), segment=segment))
    widget.setFolders(str(folder))
    run_job(qtbot, widget)
    content = widget.outcome.scored().content
    button(widget, "Copy as Python").click()
    names: dict[str, Any] = {}
    exec(QApplication.clipboard().text(), names)
    button(widget, "Copy as Command line").click()
    command = [*shlex.split(QApplication.clipboard().text())[1:], "--json", str(tmp_path / "scores.json")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    from_command = json.loads((tmp_path / "scores.json").read_text())
    for again in (names["report"].to_dict(), from_command):
        for key in ("predicted", "oracle", "confusion", "presence", "calibration"):
            assert json.loads(json.dumps(again[key])) == json.loads(json.dumps(content[key]))


@pytest.mark.parametrize("mode", ["layers", "folders"])
def test_scores_as_files(qtbot, widget, layers, folder, checkpoint, tmp_path, mode) -> None:
    widget.setLayers(*layers)
    widget.setFolders(str(folder))
    value = EvaluateSettings(mode=mode, ignore=(2,) if mode == "folders" else (), model=str(checkpoint))
    widget.setValue(value.model_copy(update={"segment": QUICK}))
    run_job(qtbot, widget)
    for suffix in ("json", "csv", "html"):
        widget.outcome.save(str(tmp_path / f"scores.{suffix}"))
    scored = widget.outcome.scored()
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["confusion"]["predicted"] == scored.matrices["predicted"].tolist()
    rows = list(csv.reader((tmp_path / "scores.csv").read_text().splitlines()))
    assert rows[0] == ["labels", "class", "IoU", "Dice", "precision", "recall"]
    assert rows[1][:2] == ["predicted", scored.names[0]]
    expected = scored.numbers()["IoU"][0]
    assert rows[1][2] == ("" if np.isnan(expected) else repr(expected))
    page = (tmp_path / "scores.html").read_text()
    assert "<svg" in page
    assert scored.names[0] in page
    widget.outcome.save(str(tmp_path / "scores.xls"))
    assert "expected the suffix" in widget.message()


def test_cancel(qtbot, widget, folder, checkpoint) -> None:
    widget.setValue(EvaluateSettings(mode="folders", ignore=(2,), model=str(checkpoint), segment=QUICK))
    widget.setFolders(str(folder))
    widget.control.progressed.connect(lambda e: widget.cancel() if e.stage == "images" else None)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert "Cancelled" in widget.message()
    assert widget.outcome.scored() is None


def test_error_map_by_hand() -> None:
    truth = np.array([[0, 1, 2, 3, 0]])
    predicted = np.array([[1, 1, 0, 4, 2]])
    np.testing.assert_array_equal(errors_of(truth, predicted, [3]), [[1, 2, 3, 0, 2]])


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_fits_a_dock_of_320_pixels_with_scores(qtbot, viewer, widget, layers, theme) -> None:
    viewer.theme = theme
    widget.setLayers(*layers)
    run_job(qtbot, widget)
    assert widget.minimumSizeHint().width() <= 320
    assert widget.findChild(QWidget, "inside").minimumSizeHint().width() <= 300


def test_a_layer_read_in_the_other_convention_is_noticed(qtbot, viewer, widget, layers) -> None:
    on_disk = viewer.add_labels(
        np.where(PREDICTION == 0, 2, PREDICTION - 1).astype(np.uint8), name="from a file"
    )
    widget.setLayers(layers[0], on_disk)
    widget.setValue(EvaluateSettings(first_class=1, ignore=(2,)))
    run_job(qtbot, widget)
    assert "the masks seem to be read wrongly" in widget.outcome.scored().about["notice"]
    widget.setValue(EvaluateSettings(first_class=0, ignore=(2,)))
    run_job(qtbot, widget)
    assert "notice" not in widget.outcome.scored().about
    assert "first class in the masks,0" in widget.outcome.scored().to_csv()


def test_scores_go_when_other_masks_are_chosen_or_a_mask_is_painted_on(qtbot, viewer, widget, layers) -> None:
    prediction, truth = layers
    widget.setLayers(prediction, truth)
    run_job(qtbot, widget)
    assert widget.message().startswith("mask: mIoU 64.9 %")
    other = viewer.add_labels(TRUTH, name="other")
    assert not widget.outcome.isHidden()
    widget.setLayers(other, truth)
    assert widget.outcome.isHidden()
    assert not widget.message()
    widget.setLayers(prediction, truth)
    run_job(qtbot, widget)
    assert [layer.name for layer in viewer.layers].count("mask (errors)") == 1  # scored again: the same map
    prediction.selected_label = 2
    prediction.paint((0, 0), 2)
    assert widget.outcome.isHidden()
    assert not widget.message()
