"""Segment with a student on one channel: grey, multichannel and colour layers, stacks; saved and reopened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QCheckBox
from tests.students import LOOSE, nuclei, save_student
from tests.widgets import person
from tests.widgets.conftest import button, run_job

from napari_construct.inference.cells.segment import segment_cells
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.widgets.files.readers import get_reader
from napari_construct.widgets.files.writers import write_labels
from napari_construct.widgets.segment.job import PlaneSegmented
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui

SETTINGS = CellSettings(**LOOSE)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student") / "nuclei.construct", mpp=0.5)


@pytest.fixture
def widget(qtbot, viewer, student) -> SegmentTissue:
    widget = SegmentTissue(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    widget.setModel(str(student))
    qtbot.waitUntil(lambda: widget._model.isStudent() and not widget._model.isLoading(), timeout=120_000)
    widget.setValue(SETTINGS)
    return widget


def reopened(path: Path) -> list[tuple]:
    return get_reader(str(path))(str(path))


def settled(qtbot, widget) -> None:
    qtbot.waitUntil(lambda: not widget._cells._live.is_busy and not widget._adder.isActive(), timeout=30_000)


def test_a_grey_layer_gets_numbered_cells_with_their_table_in_place(qtbot, viewer, widget, student) -> None:
    place = {"scale": (0.5, 0.5), "translate": (3, 7), "units": ("um", "um")}
    viewer.add_image(nuclei(), name="slide", **place)
    run_job(qtbot, widget)
    expected = segment_cells(nuclei(), student, SETTINGS, mpp=0.5)
    layer = viewer.layers["slide cells"]
    np.testing.assert_array_equal(layer.data, expected.instances)
    assert layer.data.max() > 1
    assert tuple(layer.scale) == (0.5, 0.5)
    assert tuple(layer.translate) == (3, 7)
    table = expected.cells()
    assert layer.features["index"].tolist() == table["label"].tolist()
    assert layer.features["area_um2"].tolist() == table["area_um2"].tolist()
    np.testing.assert_allclose(layer.features["confidence"], table["confidence"], rtol=1e-5)
    share = f"{len(table['label'])} cells, {100 * (expected.instances > 0).mean():.0f} % of the image."
    assert share in widget.message()
    assert viewer.layers.selection.active.name == "slide cells"


def test_thresholds_act_at_once_without_the_network(qtbot, viewer, widget, student, monkeypatch) -> None:
    viewer.add_image(nuclei(), name="slide")
    run_job(qtbot, widget)
    before = viewer.layers["slide cells"].unique_id

    def never(*_: object) -> None:
        raise AssertionError("the network ran")

    monkeypatch.setattr("napari_construct.inference.cells.predictor.CellPredictor.probabilities", never)
    widget._cells.options.field("threshold").put(0.7)
    qtbot.wait(100)
    settled(qtbot, widget)
    monkeypatch.undo()
    changed = SETTINGS.changed(threshold=0.7)
    layer = viewer.layers["slide cells"]
    assert layer.unique_id == before
    expected = segment_cells(nuclei(), student, changed)
    np.testing.assert_array_equal(layer.data, expected.instances)
    assert len(layer.features) == expected.instances.max()
    assert f"{expected.instances.max()} cell" in widget.message()
    assert layer.metadata["napari_construct"]["record"]["settings"]["threshold"] == 0.7


def test_cells_that_were_painted_on_stay(qtbot, viewer, widget) -> None:
    viewer.add_image(nuclei(), name="slide")
    run_job(qtbot, widget)
    layer = viewer.layers["slide cells"]
    layer.data[:4, :4] = 9
    painted = np.array(layer.data)
    widget._cells.options.field("threshold").put(0.7)
    qtbot.wait(100)
    settled(qtbot, widget)
    np.testing.assert_array_equal(viewer.layers["slide cells"].data, painted)
    assert "changed by hand" in person.words(widget._cells)
    run_job(qtbot, widget)
    assert [one.name for one in viewer.layers] == ["slide", "slide cells", "slide cells [1]"]


def test_a_rerun_replaces_its_own_result_and_maps_come_and_go(qtbot, viewer, widget) -> None:
    viewer.add_image(nuclei(), name="slide")
    run_job(qtbot, widget)
    run_job(qtbot, widget)
    assert [one.name for one in viewer.layers] == ["slide", "slide cells"]
    tick = next(b for b in widget.findChildren(QCheckBox) if b.text() == "Show foreground and boundary")
    tick.click()
    qtbot.waitUntil(lambda: not widget._adder.isActive())
    names = ["slide", "slide foreground", "slide boundary", "slide cells"]
    assert [one.name for one in viewer.layers] == names
    cells = viewer.layers["slide foreground"].data >= SETTINGS.threshold
    assert not (viewer.layers["slide cells"].data > 0)[~cells].any()
    tick.click()
    assert [one.name for one in viewer.layers] == ["slide", "slide cells"]


def test_the_channel_of_a_multichannel_layer_is_chosen(qtbot, viewer, widget, student) -> None:
    both = np.stack([nuclei(seed=1), nuclei(seed=2)])
    viewer.add_image(both, name="multi", axis_labels=("c", "y", "x"), scale=(1, 0.5, 0.5))
    rows = widget.source.channels
    assert rows.axis() == 0
    assert widget.source.planeAxis() is None
    rows.setChannel(1)
    assert widget.value().channel == "1"
    run_job(qtbot, widget)
    layer = viewer.layers["multi cells"]
    np.testing.assert_array_equal(layer.data, segment_cells(both[1], student, SETTINGS).instances)
    assert tuple(layer.scale) == (0.5, 0.5)
    assert viewer.dims.current_step[0] == 1
    rows.setChannel(0)
    run_job(qtbot, widget)
    np.testing.assert_array_equal(
        viewer.layers["multi cells [1]"].data, segment_cells(both[0], student, SETTINGS).instances
    )


def test_a_stack_plane_by_plane_has_numbers_and_rows_of_its_own(qtbot, viewer, widget, student) -> None:
    stack = np.stack([nuclei(seed=1), nuclei(seed=2)])
    viewer.add_image(stack, name="stack", scale=(2, 0.5, 0.5))
    widget.source.setPlaneAxis(0)
    run_job(qtbot, widget)
    layer = viewer.layers["stack cells"]
    counts = []
    for i, plane in enumerate(stack):
        expected = segment_cells(plane, student, SETTINGS).instances
        here = layer.data[i].astype(int)
        np.testing.assert_array_equal(np.where(here > 0, here - sum(counts), 0), expected)
        counts.append(int(expected.max()))
    assert layer.features["index"].tolist() == list(range(1, sum(counts) + 1))
    assert layer.features["plane"].tolist() == [1] * counts[0] + [2] * counts[1]
    assert f"{sum(counts)} cells" in widget.message()


def test_a_stained_section_gets_the_sentence_that_says_so(qtbot, viewer, widget, tissue) -> None:
    viewer.add_image(tissue, name="section", rgb=True)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert "like a stained section" in widget.message()
    assert len(viewer.layers) == 1


def test_a_model_of_stained_sections_says_that_fluorescence_is_dark(
    qtbot, viewer, widget, checkpoint
) -> None:
    viewer.add_image(nuclei(), name="slide")
    widget.setModel(str(checkpoint))
    qtbot.waitUntil(lambda: not widget._model.isLoading() and not widget._model.isStudent(), timeout=60_000)
    assert widget._parts.cells_box.isHidden()
    assert not widget._parts.found.isHidden()
    run_job(qtbot, widget)
    assert "dark, as in a fluorescence image" in widget.message()


def test_saved_cells_open_as_they_were(qtbot, viewer, widget, tmp_path) -> None:
    viewer.add_image(nuclei(), name="slide", scale=(0.37, 0.37), units=("um", "um"))
    run_job(qtbot, widget)
    layer = viewer.layers["slide cells"]
    paths = write_labels(str(tmp_path / "slide cells"), *layer.as_layer_data_tuple()[:2])
    assert [Path(path).name for path in paths] == ["slide cells.tif", "slide cells.csv", "slide.json"]
    for path in (paths[0], paths[2]):
        ((data, attributes, kind),) = reopened(Path(path))
        assert kind == "labels"
        np.testing.assert_array_equal(data, layer.data)
        assert attributes["features"].equals(layer.features)
        assert tuple(attributes["scale"]) == (0.37, 0.37)
        assert attributes["name"] == "slide cells"


def test_files_of_the_command_open_as_cells(viewer, student, tmp_path) -> None:
    result = segment_cells(nuclei(), student, SETTINGS, mpp=0.5, name="slide.tif")
    result.save(tmp_path)
    for file in ("slide_cells.tif", "slide_mask.tif", "slide.json"):
        foreground, cells = reopened(tmp_path / file)
        np.testing.assert_array_equal(cells[0], result.instances)
        assert cells[1]["name"] == "slide cells"
        np.testing.assert_array_equal(foreground[0], result.cams[0])
        assert foreground[1]["visible"] is False


def test_a_saved_stack_opens_as_it_was(qtbot, viewer, widget, tmp_path) -> None:
    viewer.add_image(np.stack([nuclei(seed=1), nuclei(seed=2)]), name="stack")
    widget.source.setPlaneAxis(0)
    run_job(qtbot, widget)
    layer = viewer.layers["stack cells"]
    paths = write_labels(str(tmp_path / "stack cells.tif"), *layer.as_layer_data_tuple()[:2])
    ((data, attributes, _),) = reopened(Path(paths[0]))
    np.testing.assert_array_equal(data, layer.data)
    assert attributes["features"].equals(layer.features)


def test_the_copied_script_finds_the_same_cells(qtbot, viewer, widget) -> None:
    viewer.add_image(nuclei(), name="slide")
    run_job(qtbot, widget)
    button(widget, "Copy as Python").click()
    names = {"viewer": viewer}
    exec(QApplication.clipboard().text(), names)
    np.testing.assert_array_equal(names["result"].instances, viewer.layers["slide cells"].data)


def test_after_cancel_the_finished_planes_stay_where_that_is_wanted(qtbot, viewer, widget, student) -> None:
    stack = np.stack([nuclei(seed=seed) for seed in range(4)])
    viewer.add_image(stack, name="stack")
    widget.source.setPlaneAxis(0)
    widget.source.setKeepsFinished(True)
    widget.control.progressed.connect(
        lambda event: widget.cancel() if isinstance(event, PlaneSegmented) else None
    )
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning() and len(viewer.layers) == 2, timeout=60_000)
    layer = viewer.layers["stack cells"]
    np.testing.assert_array_equal(layer.data[0], segment_cells(stack[0], student, SETTINGS).instances)
    assert not layer.data[-1].any()
    assert "Cancelled after" in widget.message()
