"""Regions, planes of stacks, class tables and memory of Segment, in a real viewer."""

from __future__ import annotations

import json
import math
import shlex

import numpy as np
import pytest
from PIL import Image as Picture
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QCheckBox
from tests.widgets.conftest import CLASSES, button, by_colour, docked
from tests.widgets.segment.test_segment_tissue import run

from napari_construct.classes import BCSS_COLOURS, ClassTable
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.layers import joined_features, look_at
from napari_construct.widgets.parts.class_table import ClassTableEditor
from napari_construct.widgets.parts.class_table_files import restyled
from napari_construct.widgets.parts.memory import Memory
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui


def test_region_around_shapes_lies_where_it_was(qtbot, viewer, widget, fake, tissue) -> None:
    viewer.layers["slide"].translate = (5, -3)
    box = np.array([[10, 20], [10, 100], [90, 100], [90, 20]])
    world = box * 0.25 + (5, -3)
    viewer.add_shapes([world], shape_type="polygon", name="mark")
    widget.source.setRegion("shapes")
    run(qtbot, widget)
    np.testing.assert_array_equal(fake.runs[0].image, tissue[10:90, 20:100])
    labels = viewer.layers["slide mask"]
    assert labels.data.shape == (80, 80)
    np.testing.assert_allclose(labels.data_to_world((0, 0)), viewer.layers["slide"].data_to_world((10, 20)))


def test_region_on_view(qtbot, viewer, widget, fake, tissue) -> None:
    rows, columns = viewer.canvas.size
    look_at(viewer, viewer.layers["slide"], (79.5, 94.5), 100.0, float(rows))  # 100 rows fill the canvas
    widget.source.setRegion("visible")
    run(qtbot, widget)
    half = 50 * columns / rows
    expected = tissue[30:130, int(95 - half) : math.ceil(95 + half)]
    assert half < 95
    np.testing.assert_array_equal(fake.runs[0].image, expected)


def test_region_without_shapes_is_said(viewer, widget) -> None:
    widget.source.setRegion("shapes")
    widget.run()
    assert "draw a rectangle" in widget.message()
    assert not widget.isRunning()


def test_every_plane_of_a_stack(qtbot, viewer, widget, fake, tissue) -> None:
    stack = np.stack([tissue, tissue[::-1], tissue[:, ::-1]])
    viewer.add_image(stack, name="stack", rgb=True, scale=(4, 0.5, 0.5), units=("um",) * 3)
    widget.setLayer(viewer.layers["stack"])
    widget.source.setPlaneAxis(0)
    widget.source.setKeepsFinished(True)
    run(qtbot, widget)
    labels = viewer.layers["stack mask"]
    assert labels.data.shape == stack.shape[:-1]
    np.testing.assert_allclose(labels.extent.world, viewer.layers["stack"].extent.world)
    np.testing.assert_array_equal(fake.runs[1].image, stack[1])
    alone = np.where(stack[1].mean(2) < np.median(stack[1].mean(2)), 1, 2)
    alone[stack[1].mean(2) > 225] = 0
    np.testing.assert_array_equal(labels.data[1], alone)
    assert labels.features["pixels"].sum() == (labels.data > 0).sum()
    assert len(labels.metadata["napari_construct"]["record"]["planes"]) == 3
    button(widget, "Copy as Python").click()
    assert "One plane can be copied" in widget.message()


@pytest.mark.parametrize("keep", [False, True])
def test_finished_planes_are_kept_or_dropped_on_cancel(qtbot, viewer, widget, fake, tissue, keep) -> None:
    stack = np.stack([tissue, tissue[::-1], tissue[:, ::-1]])
    viewer.add_image(stack, name="stack", rgb=True)
    widget.setLayer(viewer.layers["stack"])
    tick = widget.findChild(QCheckBox, "keep finished planes")
    assert tick.isHidden()
    widget.source.setPlaneAxis(0)
    assert not tick.isHidden()
    assert not tick.isChecked()
    tick.setChecked(keep)
    fake.seconds = 0.1
    widget.control.progressed.connect(
        lambda event: widget.cancel() if event.stage.startswith("plane 3") else None
    )
    widget.run()
    qtbot.waitUntil(lambda: "Cancelled" in widget.message(), timeout=20_000)
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=20_000)
    assert docked(qtbot, viewer, fake).source.keepsFinished() == keep
    if not keep:
        assert [layer.name for layer in viewer.layers] == ["slide", "stack"]
        assert widget.message() == "Cancelled; nothing was added."
        return
    assert widget.message().endswith("Cancelled after 2 of 3 planes: the others are empty.")
    labels = viewer.layers["stack mask"]
    assert labels.data.shape == stack.shape[:-1]
    for plane in (0, 1):
        np.testing.assert_array_equal(labels.data[plane], by_colour(stack[plane], None).labels)
    assert not labels.data[2].any()
    widget._parts.class_maps.click()
    qtbot.waitUntil(lambda: "stack tumour (class map)" in viewer.layers)
    assert not viewer.layers["stack tumour (class map)"].data[2].any()
    assert labels.features["pixels"].sum() == (labels.data > 0).sum()
    assert len(labels.metadata["napari_construct"]["record"]["planes"]) == 2


def test_cancelled_before_a_plane_is_finished_nothing_is_added(qtbot, viewer, widget, fake, tissue) -> None:
    viewer.add_image(np.stack([tissue, tissue]), name="stack", rgb=True)
    widget.setLayer(viewer.layers["stack"])
    widget.source.setPlaneAxis(0)
    widget.source.setKeepsFinished(True)
    fake.seconds = 0.1
    widget.control.progressed.connect(lambda _: widget.cancel())
    widget.run()
    qtbot.waitUntil(lambda: widget.message() == "Cancelled; nothing was added.", timeout=20_000)
    assert not widget.isRunning()
    assert [layer.name for layer in viewer.layers] == ["slide", "stack"]


def test_features_of_planes_are_joined() -> None:
    one = {
        "index": [1],
        "pixels": [30],
        "components": [2],
        "percent_of_tissue": [30.0],
        "mean confidence": [0.5],
        "present": [False],
    }
    two = {
        "index": [1],
        "pixels": [10],
        "components": [5],
        "percent_of_tissue": [100.0],
        "mean confidence": [0.9],
        "present": [True],
    }
    both = joined_features([one, two])
    assert both["pixels"] == [40]
    assert both["components"] == [7]
    assert both["percent_of_tissue"] == pytest.approx([100 * 40 / 110])
    assert both["mean confidence"] == pytest.approx([0.6])
    assert both["present"] == [True]


def test_options_are_remembered_but_not_what_is_true_of_one_image(qtbot, viewer, widget, fake) -> None:
    value = SegmentSettings(tile=256, overlap=32, views="six", mpp=0.5, classes=("tumour",))
    widget.setValue(value)
    run(qtbot, widget)
    second = docked(qtbot, viewer, fake)
    assert second.value() == value.changed(mpp=None, classes=None)


def test_what_is_remembered_wrongly_is_forgotten(qtbot, viewer) -> None:
    Memory("segment tissue").keep({"model": 5, "settings": {"no such": 1}})
    widget = SegmentTissue(viewer)
    qtbot.addWidget(widget)
    assert widget.value() == SegmentSettings()


def test_copied_region_gives_identical_arrays(
    qtbot, viewer, tissue, checkpoint, tmp_path, monkeypatch
) -> None:
    from typer.testing import CliRunner

    from napari_construct.cli import app
    from napari_construct.data.masks import read_mask

    Picture.fromarray(tissue).save(tmp_path / "slide.png")
    viewer.open(str(tmp_path / "slide.png"), plugin="napari")
    widget = SegmentTissue(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    widget.setModel(str(checkpoint))
    widget.setValue(SegmentSettings(tile=128, overlap=32, crf=None))
    qtbot.waitUntil(lambda: not widget.message(), timeout=60_000)
    slide = viewer.layers["slide"]
    look_at(viewer, slide, (111.5, 100.0), 160.0, float(viewer.canvas.size[0]))
    widget.source.setRegion("visible")
    run(qtbot, widget)
    mask = viewer.layers["slide mask"].data
    assert mask.shape[0] == 160
    assert mask.shape[1] < 256
    names: dict[str, object] = {}
    look_at(viewer, slide, (111.5, 100.0), 160.0, float(viewer.canvas.size[0]))
    button(widget, "Copy as Python").click()
    exec(QApplication.clipboard().text(), names)
    np.testing.assert_array_equal(names["result"].labels, mask)
    button(widget, "Copy as Command line").click()
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, shlex.split(QApplication.clipboard().text())[1:])
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(read_mask(tmp_path / "results" / "slide_mask.tif"), mask)
    assert "licence MIT" in widget._model.chooser._about.toolTip()


def test_class_table_recolours_what_is_there(qtbot, viewer, widget) -> None:
    widget._parts.class_maps.click()
    run(qtbot, widget)
    editor = widget._model.table
    assert editor.value() == CLASSES
    with qtbot.waitSignal(editor.valueChanged):
        editor._palette.activated.emit(2)
    labels = viewer.layers["slide mask"]
    np.testing.assert_allclose(labels.get_color(1), (1, 0, 0, 1))
    assert viewer.layers["slide tumour (class map)"].colormap.name == f"class {BCSS_COLOURS[0]}"
    editor._table.item(1, 3).setCheckState(Qt.CheckState.Unchecked)
    assert not editor.value()[1].shown
    assert labels.get_color(2)[3] == 0
    run(qtbot, widget)  # and the next run is drawn like this
    np.testing.assert_allclose(viewer.layers["slide mask"].get_color(1), (1, 0, 0, 1))


def test_class_table_files(qtbot, tmp_path) -> None:
    editor = ClassTableEditor()
    qtbot.addWidget(editor)
    editor.setValue(CLASSES)
    errors = []
    editor.failed.connect(errors.append)
    path = tmp_path / "classes.csv"
    path.write_text("name,colour,ignored\nlymphoid,#112233,true\nstroma,#445566,false\n", encoding="utf-8")
    editor.load(str(path))
    assert editor.value().names == CLASSES.names  # those of the model stay
    assert (editor.value()[1].colour, editor.value()[1].ignored) == ("#112233", True)
    path.write_text("name\nnobody\n", encoding="utf-8")
    editor.load(str(path))
    assert "classes.csv" in str(errors[0])
    free = ClassTableEditor(names_editable=True)
    qtbot.addWidget(free)
    free.load(str(path))
    assert free.value().names == ("nobody",)
    free._table.item(0, 1).setText("somebody")
    assert free.value().names == ("somebody",)
    free._table.item(0, 1).setText("")
    assert free.value().names == ("somebody",)


def test_restyled_keeps_the_models_order() -> None:
    other = ClassTable.model_validate({"classes": json.loads('[{"name": "lymphoid", "colour": "#000000"}]')})
    assert restyled(CLASSES, other).names == CLASSES.names
