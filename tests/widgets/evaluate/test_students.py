"""Evaluate with a student on one channel, in a real viewer: scores as those of the headless evaluation."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QApplication, QLineEdit, QPushButton, QWidget
from tests.students import LOOSE, nuclei, save_student
from tests.widgets import person
from tests.widgets.conftest import button, run_job

from napari_construct.evaluation.cells.evaluate import evaluate_cells
from napari_construct.inference.cells.segment import segment_cells
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.evaluate.evaluate import Evaluate
from napari_construct.widgets.evaluate.settings import CellEvaluation, EvaluateSettings

pytestmark = pytest.mark.gui

CELLS = CellSettings(**LOOSE)
OF_TISSUE = ("Masks", "Ignored values", "First class of the ground truth")
OF_CELLS = ("Threshold (number)", "Channel", "Teacher", "Baseline")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student") / "nuclei.construct")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images with their cells, as the folders images and labels."""
    from scipy import ndimage

    folder = tmp_path_factory.mktemp("cells")
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
    for seed in range(3):
        image = nuclei(seed=seed)
        drawn, _ = ndimage.label(image > 1000)
        tifffile.imwrite(folder / "images" / f"field{seed}.tif", image)
        tifffile.imwrite(folder / "labels" / f"field{seed}.tif", drawn.astype(np.uint16))
    return folder


@pytest.fixture
def widget(viewer) -> Evaluate:
    widget = Evaluate(viewer)
    viewer.window.add_dock_widget(widget, name="Evaluate")
    return widget


def settings(student: Path, **of_cells: Any) -> EvaluateSettings:
    asked = CellEvaluation(cells=CELLS).changed(**of_cells)
    return EvaluateSettings(mode="folders", model=str(student), student=asked)


def ready(widget: Evaluate, student: Path, data: Path, **of_cells: Any) -> None:
    widget.setValue(settings(student, **of_cells))
    widget.setFolders(str(data))


def percent(scores: dict[str, float], *names: str) -> list[str]:
    return [f"{100 * scores[name]:.1f}" for name in names]


def shown(widget: Evaluate, names: tuple[str, ...]) -> set[str]:
    """Which of the controls are on view."""
    found = {w.accessibleName() for w in widget.findChildren(QWidget) if w.isVisibleTo(widget)}
    return found & set(names)


def offers_views(widget: Evaluate) -> bool:
    """Whether the options, which are folded, hold those of stained tissue."""
    options = widget._input.options
    return options.field("views").isVisibleTo(options)


@pytest.mark.shown
def test_a_person_scores_a_student(qtbot, viewer, widget, student, cells, checkpoint, tmp_path) -> None:
    person.choose(person.find(widget, "Compare"), "Model on folders")
    assert shown(widget, OF_TISSUE) == set(OF_TISSUE)
    assert offers_views(widget)
    assert not widget._input.cells.isVisible()
    assert person.drop(widget, [student])
    assert widget._input.cells.isVisible()
    assert shown(widget, OF_TISSUE) == set()
    assert not offers_views(widget)
    assert shown(widget, OF_CELLS) == set(OF_CELLS)
    assert "images with drawn cells" in widget.message()
    person.write(person.find(widget, "Images", QLineEdit), str(cells))
    person.write(person.find(widget, "Seed threshold (number)"), "0")
    person.write(person.find(widget, "Smallest cell (px)"), "5")
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        person.click(person.find(widget, "Evaluate", QPushButton))
    expected = evaluate_cells(student, cells, settings=CELLS)
    rows = widget.cells.table.rows()
    assert [row[0] for row in rows] == ["Dice", "IoU", "boundary F1", "AP50", "AP75", "AP 0.5:0.95"]
    keys = "dice", "iou", "boundary_f1", "ap50", "ap75", "ap"
    assert [row[1] for row in rows] == percent(expected.scores, *keys)
    assert f"Dice {percent(expected.scores, 'dice')[0]} %" in widget.message()
    assert "over 3 images" in widget.message()
    assert widget.outcome.isHidden()
    person.answer(str(tmp_path / "scores"), kind="HTML")
    person.click(person.find(widget, "Save scores"))
    page = (tmp_path / "scores.html").read_text(encoding="utf-8")
    assert "boundary F1" in page
    assert "field0" in page
    assert person.drop(widget, [checkpoint])  # a model of stained tissue: its options are back
    assert shown(widget, OF_TISSUE) == set(OF_TISSUE)
    assert offers_views(widget)
    assert not widget._input.cells.isVisible()
    assert not widget.cells.isVisible()


@pytest.mark.parametrize(
    "asked",
    [
        CellEvaluation(),
        CellEvaluation(
            cells=CellSettings(channel="DAPI", threshold=0.3, tile=256, mpp=0.5),
            labels="nuclear",
            teacher="t",
            baseline="b.construct",
        ),
    ],
)
def test_value_is_what_was_set(widget, student, asked) -> None:
    shared = SegmentSettings(tile=asked.cells.tile, mpp=asked.cells.mpp)
    value = EvaluateSettings(mode="folders", model=str(student), student=asked, segment=shared)
    widget.setValue(value)
    assert widget.value() == value


def test_teacher_and_baseline_stand_beside_the_student(qtbot, widget, student, cells, tmp_path) -> None:
    other = tmp_path / "plain.construct"
    other.write_bytes(student.read_bytes())
    ready(widget, student, cells, teacher=str(cells / "labels"), baseline=str(other))
    run_job(qtbot, widget)
    table = widget.cells.table
    heads = [table.horizontalHeaderItem(i).text() for i in range(table.columnCount())]
    assert heads == ["score", "student", "no KD", "teacher"]
    dice = table.rows()[0]
    assert dice[1] == dice[2]  # the baseline is the student itself
    assert dice[3] == "100.0"
    assert f"{dice[1]} % of the teacher's Dice; gain of Dice over no KD +0.0" in widget.message()
    ready(widget, student, cells)
    assert widget.cells.isHidden()  # scores of before are not of what is chosen now
    run_job(qtbot, widget)
    assert table.columnCount() == 2


def test_scores_as_files(qtbot, widget, student, cells, tmp_path) -> None:
    ready(widget, student, cells)
    run_job(qtbot, widget)
    for suffix in ("json", "csv", "html"):
        widget.cells.save(str(tmp_path / f"scores.{suffix}"))
    report = widget.cells.scored().report
    content = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert content["kind"] == "cells"
    assert content["rows"][0]["pooled"]["ap"] == report.scores["ap"]
    rows = list(csv.reader((tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["kind", "model", "dice", "iou", "boundary_f1", "ap50", "ap75", "ap"]
    assert rows[1][:3] == ["student", "nuclei", repr(report.scores["dice"])]
    assert sorted(row[0] for row in rows[4:7]) == ["field0", "field1", "field2"]
    assert (tmp_path / "scores.html").read_text(encoding="utf-8") == report.to_html()
    widget.cells.save(str(tmp_path / "scores.xls"))
    assert "expected the suffix" in widget.message()


def test_what_is_copied_gives_identical_scores(qtbot, widget, student, cells, tmp_path) -> None:
    from typer.testing import CliRunner

    from napari_construct.cli import app

    changed = CELLS.changed(threshold=0.55, tile=128, overlap=32, mpp=0.5, channel="0")
    other = tmp_path / "plain.construct"
    other.write_bytes(student.read_bytes())
    ready(widget, student, cells, cells=changed, teacher=str(cells / "labels"), baseline=str(other))
    run_job(qtbot, widget)
    content = json.loads(json.dumps(widget.cells.scored().content))
    button(widget, "Copy as Python").click()
    names: dict[str, Any] = {}
    exec(QApplication.clipboard().text(), names)
    button(widget, "Copy as Command line").click()
    command = [*shlex.split(QApplication.clipboard().text())[1:], "--json", str(tmp_path / "scores.json")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    for again in (names["report"].to_dict(), json.loads((tmp_path / "scores.json").read_text())):
        plain = json.loads(json.dumps(again))
        assert [row["pooled"] for row in plain["rows"]] == [row["pooled"] for row in content["rows"]]
        assert plain["teacher"]["pooled"] == content["teacher"]["pooled"]


def test_labels_of_tissuenet_are_copied(qtbot, widget, student, tmp_path) -> None:
    image = np.stack([nuclei(), nuclei(seed=1)], axis=-1)[None]
    drawn = (image > 1000).astype(np.int32)
    drawn[..., 1] *= 0
    drawn[0, :20, :20, 1] = 1
    np.savez(tmp_path / "test.npz", X=image.astype(np.float32), y=drawn)
    widget.setFolders(str(tmp_path / "test.npz"))
    widget.setValue(EvaluateSettings(mode="folders"))
    assert "for a student on one channel" in widget.message()
    ready(widget, student, tmp_path / "test.npz", labels="nuclear", cells=CELLS.changed(channel=0))
    run_job(qtbot, widget)
    assert widget.cells.images.rows()[0][1] == "1"
    button(widget, "Copy as Python").click()
    names: dict[str, Any] = {}
    exec(QApplication.clipboard().text(), names)
    assert names["report"].scores == widget.cells.scored().report.scores


def test_double_click_opens_an_image_with_its_cells(qtbot, viewer, widget, student, cells) -> None:
    ready(widget, student, cells)
    run_job(qtbot, widget)
    name = widget.cells.images.rows()[0][0]
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        widget.cells.images.cellDoubleClicked.emit(0, 0)
    assert [layer.name for layer in viewer.layers] == [name, f"{name} (truth)", f"{name} cells"]
    image = tifffile.imread(cells / "images" / f"{name}.tif")
    np.testing.assert_array_equal(
        viewer.layers[f"{name} cells"].data, segment_cells(image, student, CELLS).instances
    )
    assert not widget.cells.isHidden()


def test_patches_of_stained_tissue_get_one_sentence(qtbot, widget, student, camelyon) -> None:
    ready(widget, student, camelyon / "val")
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert "like a stained section" in widget.message()
    assert "use a model of stained sections" in widget.message()
    assert widget.cells.isHidden()


def test_cells_with_a_model_of_stained_tissue_get_one_sentence(qtbot, widget, checkpoint, cells) -> None:
    widget.setValue(
        EvaluateSettings(mode="folders", model=str(checkpoint), segment=SegmentSettings(crf=None, tile=128))
    )
    widget.setFolders(str(cells))
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert widget.message().endswith("got numbered cells; choose a student on one channel as the model")


def test_a_model_of_several_channels_is_refused(qtbot, widget, cells, tmp_path) -> None:
    several = save_student(tmp_path / "both.construct", channels=("nuclear", "membrane"))
    ready(widget, several, cells)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert "expected a student on one channel" in widget.message().lower()
    assert "--" not in widget.message()


def test_cancel(qtbot, widget, student, cells) -> None:
    ready(widget, student, cells)
    widget.control.progressed.connect(lambda e: widget.cancel() if e.stage == "images" else None)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert "Cancelled" in widget.message()
    assert widget.cells.scored() is None


def test_fits_a_dock_of_320_pixels_with_scores(qtbot, widget, student, cells) -> None:
    ready(widget, student, cells, teacher=str(cells / "labels"))
    run_job(qtbot, widget)
    assert widget.minimumSizeHint().width() <= 320
    assert widget.findChild(QWidget, "inside").minimumSizeHint().width() <= 300
