"""Cells that were saved with their maps and opened again follow the thresholds, without the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton
from tests.students import LOOSE, nuclei, save_student
from tests.widgets import person
from tests.widgets.conftest import run_job

from napari_construct.inference.cells.segment import segment_cells
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.results.files import CELL_KINDS
from napari_construct.results.read import load_result
from napari_construct.widgets.files.save_mask import NUMBERS_AND_MAPS, save_mask
from napari_construct.widgets.layers import kept_cells
from napari_construct.widgets.parts.known_models import remember_model
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = [pytest.mark.gui, pytest.mark.shown]

SETTINGS = CellSettings(**LOOSE)
VERB = "Change thresholds"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student") / "nuclei.construct")


@pytest.fixture
def stored(student, tmp_path) -> Path:
    result = segment_cells(nuclei(), student, SETTINGS, mpp=0.5, name="slide.tif")
    return result.save(tmp_path / "out", kinds=(*CELL_KINDS, "boundary"))["cells"]


@pytest.fixture
def dock(qtbot, viewer) -> SegmentTissue:
    widget = SegmentTissue(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    qtbot.waitUntil(lambda: not widget._model.isLoading(), timeout=120_000)
    return widget


def no_network(*_: object) -> None:
    raise AssertionError("the network ran")


def prepare(qtbot, widget) -> None:
    person.click(person.find(widget, VERB, QPushButton))
    qtbot.waitUntil(lambda: not widget._opened.isRunning(), timeout=60_000)


def follow(qtbot, widget, **changes) -> None:
    qtbot.waitUntil(lambda: widget._model.isStudent() and not widget._model.isLoading(), timeout=60_000)
    for name, value in changes.items():
        widget._cells.options.field(name).put(value)
    qtbot.wait(100)
    qtbot.waitUntil(lambda: not widget._cells._live.is_busy and not widget._adder.isActive(), timeout=30_000)


def test_opened_cells_follow_the_thresholds(qtbot, viewer, dock, stored, student, monkeypatch) -> None:
    remember_model(student)
    viewer.add_image(nuclei(seed=5), name="another")
    viewer.add_image(np.stack([nuclei(seed=6), nuclei()]), name="both", axis_labels=("c", "y", "x"))
    viewer.open(str(stored), plugin="napari-construct")
    assert [one.name for one in viewer.layers][2:] == ["slide foreground", "slide boundary", "slide cells"]
    assert not viewer.layers["slide boundary"].visible
    np.testing.assert_array_equal(viewer.layers["slide boundary"].data, load_result(stored).boundary)
    expected = segment_cells(nuclei(), student, SETTINGS.changed(threshold=0.7), mpp=0.5)
    monkeypatch.setattr("napari_construct.inference.cells.predictor.CellPredictor.probabilities", no_network)
    prepare(qtbot, dock)
    layer = viewer.layers["slide cells"]
    assert dock.layer().name == "both"
    assert dock.model() == str(student)
    np.testing.assert_array_equal(layer.data, load_result(stored).instances)
    follow(qtbot, dock, threshold=0.7)
    assert dock.source.channels.channel() == (1, "1")
    assert dock.value().min_area == SETTINGS.min_area
    assert [one.name for one in viewer.layers][2:] == ["slide foreground", "slide boundary", "both cells"]
    np.testing.assert_array_equal(layer.data, expected.instances)
    assert f"{expected.instances.max()} cell" in dock.message()
    assert not [b for b in dock.findChildren(QPushButton) if b.text() == VERB and b.isVisible()]


def test_cells_that_were_changed_by_hand_stay(qtbot, viewer, dock, stored, student) -> None:
    remember_model(student)
    viewer.add_image(nuclei(), name="slide")
    viewer.open(str(stored), plugin="napari-construct")
    layer = viewer.layers["slide cells"]
    layer.data[:4, :4] = 99
    painted = layer.data.copy()
    prepare(qtbot, dock)
    assert "changed by hand" in person.words(dock._opened)
    follow(qtbot, dock, threshold=0.7)
    np.testing.assert_array_equal(viewer.layers["slide cells"].data, painted)


def test_without_image_or_model_it_says_what_is_missing(qtbot, viewer, dock, stored) -> None:
    viewer.open(str(stored), plugin="napari-construct")
    prepare(qtbot, dock)
    assert "open it first" in person.words(dock._opened)
    viewer.add_image(nuclei(), name="slide")
    prepare(qtbot, dock)
    assert "nuclei" in person.words(dock._opened)
    assert "import it in Models" in person.words(dock._opened)
    assert kept_cells(viewer.layers["slide cells"]) is None


def test_cells_without_their_boundary_are_not_offered(qtbot, viewer, dock, student, tmp_path) -> None:
    result = segment_cells(nuclei(), student, SETTINGS, name="slide.tif")
    viewer.open(str(result.save(tmp_path)["cells"]), plugin="napari-construct")
    assert dock._opened.layer() is None
    assert dock._opened.isHidden()


def test_the_dialog_saves_cells_with_their_maps(qtbot, viewer, dock, student, tmp_path, monkeypatch) -> None:
    viewer.add_image(nuclei(), name="slide")
    dock.setModel(str(student))
    qtbot.waitUntil(lambda: dock._model.isStudent() and not dock._model.isLoading(), timeout=60_000)
    dock.setValue(SETTINGS)
    run_job(qtbot, dock)
    layer = viewer.layers["slide cells"]
    chosen = (str(tmp_path / "mine"), NUMBERS_AND_MAPS)
    monkeypatch.setattr(
        "napari_construct.widgets.files.save_mask.QFileDialog.getSaveFileName", lambda *_: chosen
    )
    path = save_mask(layer)
    assert sorted(one.name for one in tmp_path.glob("mine*")) == [
        "mine.json",
        "mine_boundary.ome.tif",
        "mine_cams.ome.tif",
        "mine_cells.csv",
        "mine_cells.tif",
    ]
    maps = kept_cells(layer).evidence[0].maps
    again = load_result(path)
    np.testing.assert_array_equal(again.cams[0], maps.foreground)
    np.testing.assert_array_equal(again.boundary, maps.boundary)
    np.testing.assert_array_equal(again.instances, layer.data)
