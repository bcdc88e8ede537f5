"""Strokes in a real viewer, a small real encoder behind them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QMessageBox
from tests.widgets.slides import write_pyramid
from tests.widgets.teach.painter import dark_and_bright, idle, press, stroke, strokes_of

from napari_construct.classes import ClassTable
from napari_construct.inference.loading import load_model
from napari_construct.widgets.layers import METADATA_KEY, image_of, look_at
from napari_construct.widgets.parts.slide_commands import open_slide_layer
from napari_construct.widgets.teach.teach import Teach
from napari_construct.widgets.teach.work import make_session

pytestmark = pytest.mark.gui


def taught(viewer: Any, name: str = "slide taught") -> np.ndarray:
    return np.array(viewer.layers[name].data)


def two_strokes(qtbot: Any, viewer: Any, widget: Teach, pixels: np.ndarray) -> Any:
    layer = strokes_of(qtbot, viewer, widget)
    dark, bright = dark_and_bright(pixels)
    stroke(layer, 1, *dark)
    stroke(layer, 2, *bright)
    qtbot.waitUntil(lambda: "slide taught" in viewer.layers, timeout=120_000)
    idle(qtbot, widget)
    return layer


def test_a_click_on_a_class_gives_a_layer_to_paint_on(qtbot, viewer, image, widget) -> None:
    layer = strokes_of(qtbot, viewer, widget)
    assert layer.mode == "paint"
    assert layer.selected_label == 1
    assert viewer.layers.selection.active == layer
    assert tuple(layer.scale) == tuple(image.scale)
    assert layer.units == image.units
    assert layer.data.shape == (256, 256)
    assert layer.data.dtype == np.uint8
    assert not layer.data.any()
    assert 4 <= layer.brush_size <= 40
    assert image_of(layer, viewer.layers) == image
    widget.box.classes.classClicked.emit(1)
    assert layer.selected_label == 2
    assert [one.name for one in viewer.layers] == ["slide", "slide strokes"]


def test_strokes_repaint_what_is_on_view_and_undo_takes_it_back(qtbot, viewer, image, widget, region) -> None:
    layer = two_strokes(qtbot, viewer, widget, region[0])
    dark, bright = dark_and_bright(region[0])
    first = taught(viewer)
    assert first.shape == (256, 256)
    assert first[dark[0] + 3, dark[1] + 12] == 1
    assert first[bright[0] + 3, bright[1] + 12] == 2
    mask = viewer.layers["slide taught"]
    assert tuple(mask.scale) == tuple(image.scale)
    assert viewer.layers.selection.active == layer, "a person is painting"
    assert list(viewer.layers).index(mask) < list(viewer.layers).index(layer)
    painted = np.array(layer.data)

    stroke(layer, 2, dark[0], dark[1], 6, 12)  # half of the dark stroke is of the other class
    qtbot.waitUntil(lambda: not np.array_equal(taught(viewer), first), timeout=60_000)
    idle(qtbot, widget)
    assert viewer.layers["slide taught"] == mask, "the same layer"

    layer.undo()
    qtbot.waitUntil(lambda: np.array_equal(taught(viewer), first), timeout=60_000)
    np.testing.assert_array_equal(layer.data, painted)
    assert widget.live.status.text() == "Up to date"


def test_one_class_alone_says_what_is_missing(qtbot, viewer, image, widget) -> None:
    layer = strokes_of(qtbot, viewer, widget)
    stroke(layer, 1, 10, 10)
    qtbot.waitUntil(lambda: "two classes" in widget.live.status.text(), timeout=60_000)
    idle(qtbot, widget)
    assert "slide taught" not in viewer.layers
    assert widget.control.blockedReason()
    assert not widget.live.message()


def test_several_images_count_together_and_one_can_be_switched_off(qtbot, viewer, widget, region) -> None:
    pixels = region[0]
    two_strokes(qtbot, viewer, widget, pixels)
    first = taught(viewer)
    other = viewer.add_image(
        pixels[::-1].copy(), name="other", rgb=True, translate=(0, 70), scale=(0.25, 0.25)
    )
    viewer.layers.selection.active = other
    assert widget.layer() == other
    second = strokes_of(qtbot, viewer, widget, "other strokes")
    dark, _ = dark_and_bright(pixels[::-1])
    stroke(second, 2, *dark)
    qtbot.waitUntil(
        lambda: len(widget.box.table.rows()) == 2 and "1" in widget.box.table.rows()[1][1], timeout=60_000
    )
    idle(qtbot, widget)
    assert [row[0] for row in widget.box.table.rows()] == ["slide", "other"]
    assert widget.box.table.rows()[1][1] == "class 2: 1"

    viewer.layers.selection.active = viewer.layers["slide"]
    widget.update_once()
    idle(qtbot, widget)
    both = taught(viewer)
    assert (both != first).any()
    widget.box.table.setUsed(1, used=False)
    idle(qtbot, widget)
    np.testing.assert_array_equal(taught(viewer), first)
    assert second.data.any()


def test_a_new_class_and_its_key(qtbot, viewer, widget, region) -> None:
    layer = two_strokes(qtbot, viewer, widget, region[0])
    before = np.array(layer.data)
    table = widget.box.value()
    widget.box.classes.addRow()
    assert widget.box.value().names == (*table.names, "class 3")
    idle(qtbot, widget)
    press(layer, "3")
    assert layer.selected_label == 3
    assert widget.box.classes.selectedClass() == 2, "the table follows the key"
    np.testing.assert_array_equal(layer.data, before)
    grey = region[0].mean(2)
    middle = np.unravel_index(np.abs(grey[:240, :220] - np.median(grey)).argmin(), (240, 220))
    stroke(layer, 3, int(middle[0]), int(middle[1]))
    qtbot.waitUntil(lambda: 3 in np.unique(taught(viewer)), timeout=60_000)
    idle(qtbot, widget)
    renamed = [
        tissue.model_copy(update={"name": name})
        for tissue, name in zip(widget.box.value(), "abc", strict=True)
    ]
    widget.box.setValue(ClassTable(classes=(renamed[0], *widget.box.value().classes[1:])))
    idle(qtbot, widget)
    assert viewer.layers["slide taught"].metadata[METADATA_KEY]["classes"][0] == "a"


def test_a_removed_class_leaves_the_painted_pixels(qtbot, viewer, widget, region) -> None:
    widget.box.classes.addRow()
    layer = two_strokes(qtbot, viewer, widget, region[0])
    stroke(layer, 3, 120, 120)
    idle(qtbot, widget)
    before = np.array(layer.data)
    widget.box.setValue(ClassTable(classes=widget.box.value().classes[1:]))
    idle(qtbot, widget)
    np.testing.assert_array_equal(layer.data, before)
    assert widget.box.values() == {"class 2": 2, "class 3": 3}
    press(layer, "1")
    assert layer.selected_label == 2, "the first class now"
    assert set(np.unique(taught(viewer))) <= {0, 1, 2}


def test_a_mask_that_was_painted_on_stays(qtbot, viewer, widget, region) -> None:
    layer = two_strokes(qtbot, viewer, widget, region[0])
    mask = viewer.layers["slide taught"]
    stroke(mask, 1, 200, 200)
    corrected = np.array(mask.data)
    stroke(layer, 2, 100, 30)
    qtbot.waitUntil(lambda: "slide taught [1]" in viewer.layers, timeout=60_000)
    idle(qtbot, widget)
    np.testing.assert_array_equal(mask.data, corrected)


def test_points_and_shapes_become_strokes(qtbot, viewer, widget, region) -> None:
    layer = two_strokes(qtbot, viewer, widget, region[0])
    before = np.array(layer.data)
    points = viewer.add_points([[100, 100]], size=9, scale=(0.25, 0.25), units=("um", "um"), name="here")
    widget.box.tools.setDrawn(points)
    widget.box.tools.drawnRequested.emit(points)
    new = (layer.data != before) & (layer.data == 1)
    assert new[100, 100]
    assert 40 <= new.sum() <= 80
    box = [[[10, 200], [10, 220], [30, 220], [30, 200]]]
    shapes = viewer.add_shapes(box, shape_type="polygon", scale=(0.25, 0.25), units=("um", "um"))
    widget.box.tools.drawnRequested.emit(shapes)
    assert layer.data[20, 210] == 1
    layer.undo()
    assert layer.data[20, 210] == before[20, 210]
    idle(qtbot, widget)


def test_live_off_waits_for_update_once(qtbot, viewer, widget, region) -> None:
    layer = two_strokes(qtbot, viewer, widget, region[0])
    first = taught(viewer)
    widget._buttons.live.setChecked(False)
    dark, _ = dark_and_bright(region[0])
    stroke(layer, 2, *dark, 6, 12)
    qtbot.wait(200)
    assert not widget.isRunning()
    assert widget.live.status.text().startswith("Not up to date")
    np.testing.assert_array_equal(taught(viewer), first)
    widget.update_once()
    idle(qtbot, widget)
    assert (taught(viewer) != first).any()


def test_save_and_use(qtbot, viewer, widget, region, tmp_path) -> None:
    layer = two_strokes(qtbot, viewer, widget, region[0])
    stroke(layer, 1, 60, 60)
    stroke(layer, 2, 90, 150)
    idle(qtbot, widget)
    assert widget.box.table.text().startswith("Left-out strokes: ")
    assert widget.box.table.text().endswith(" of 4 right")
    path = tmp_path / "mine.construct"
    widget.save(path)
    idle(qtbot, widget)
    assert str(path) in widget.message()
    predictor = load_model(path, device="cpu")
    assert predictor.classes.names == ("class 1", "class 2")
    segment = widget._model.use
    assert segment.isEnabled()
    segment.use()
    (dock,) = [one for one in viewer.window.dock_widgets.values() if type(one).__name__ == "SegmentTissue"]
    assert dock.model() == str(path)
    qtbot.waitUntil(lambda: "being loaded" not in dock.message(), timeout=60_000)


def test_strokes_are_saved_opened_and_copied(qtbot, viewer, widget, region, tmp_path) -> None:
    layer = two_strokes(qtbot, viewer, widget, region[0])
    assert widget.text(widget.recipes[0]) == ""
    assert "Save the strokes first" in widget.message()
    folder = tmp_path / "strokes"
    widget.saveStrokes(folder)
    idle(qtbot, widget)
    script, command = (widget.text(recipe) for recipe in widget.recipes)
    assert command.startswith(f"napari-construct teach {folder} --output taught.construct --start tiny")
    scope: dict[str, Any] = {}
    exec(script.replace("taught.construct", str(tmp_path / "again.construct")), scope)
    assert scope["checkpoint"].classes.names == ("class 1", "class 2")
    painted = np.array(layer.data)
    viewer.layers.remove(layer)
    widget.openStrokes(folder)
    qtbot.waitUntil(lambda: "slide strokes" in viewer.layers, timeout=60_000)
    idle(qtbot, widget)
    np.testing.assert_array_equal(viewer.layers["slide strokes"].data, painted)


def test_remove_asks_first(qtbot, viewer, widget, region, monkeypatch) -> None:
    layer = two_strokes(qtbot, viewer, widget, region[0])
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    widget.box.table.select(0)
    widget.box.table.remove()
    assert layer in viewer.layers
    widget.box.table.remove()
    assert layer not in viewer.layers
    assert widget.box.table.rows() == []


def test_a_part_of_a_slide_is_painted_at_the_resolution_of_the_model(qtbot, viewer, region, tmp_path) -> None:
    pixels = np.tile(region[0], (2, 2, 1))
    path = write_pyramid(tmp_path / "big.tif", pixels)
    open_slide_layer(viewer, path)
    layer = viewer.layers[0]
    widget = Teach(viewer)
    widget.setValue(widget.value().changed(start="tiny"))
    viewer.window.add_dock_widget(widget, name="Teach")
    strokes = strokes_of(qtbot, viewer, widget, "big strokes")
    corner = np.asarray(strokes.data_to_world((strokes.data.shape[0] - 1, 0)))
    np.testing.assert_allclose(corner, layer.data_to_world((511, 0)), atol=0.5)
    dark, bright = dark_and_bright(region[0])
    factor = strokes.data.shape[0] / 512
    stroke(strokes, 1, int(dark[0] * factor), int(dark[1] * factor))
    stroke(strokes, 2, int(bright[0] * factor), int(bright[1] * factor))
    qtbot.waitUntil(lambda: "big taught" in viewer.layers, timeout=120_000)
    idle(qtbot, widget)
    assert set(np.unique(taught(viewer, "big taught"))) >= {1, 2}


@pytest.fixture
def large(monkeypatch) -> None:
    """Everything over 100,000 pixels is large."""
    for place in ("slides", "plane"):
        monkeypatch.setattr(f"napari_construct.widgets.layers.{place}.MAX_PIXELS", 100_000, raising=False)
    monkeypatch.setattr("napari_construct.widgets.teach.work.LARGEST", 100_000)
    monkeypatch.setattr("napari_construct.widgets.teach.painting.LARGEST", 100_000)


def test_a_large_slide_is_painted_on_where_it_is_on_view(qtbot, viewer, region, tmp_path, large) -> None:
    path = write_pyramid(tmp_path / "huge.tif", np.tile(region[0], (3, 3, 1)))
    open_slide_layer(viewer, path)
    layer = viewer.layers[0]
    widget = Teach(viewer)
    widget.setValue(widget.value().changed(start="tiny", mpp=0.5))
    viewer.window.add_dock_widget(widget, name="Teach")
    look_at(viewer, layer, (384.0, 384.0), 128.0, 400.0)
    strokes = strokes_of(qtbot, viewer, widget, "huge strokes")
    assert strokes.data.size < 100_000
    np.testing.assert_allclose(np.asarray(strokes.scale), 0.5)
    middle = np.asarray(strokes.world_to_data(layer.data_to_world((384, 384))))
    assert (middle > 0).all()
    assert (middle < strokes.data.shape).all()


@pytest.mark.shown
def test_closed_while_it_learns(qtbot, viewer, image, region) -> None:
    waits, goes_on = threading.Event(), threading.Event()

    def slow(settings: Any, device: str) -> Any:
        waits.set()
        goes_on.wait(30)
        return make_session(settings, device)

    widget = Teach(viewer, make_session=slow)
    widget.setValue(widget.value().changed(start="tiny"))
    dock = viewer.window.add_dock_widget(widget, name="Teach")
    layer = strokes_of(qtbot, viewer, widget)
    dark, bright = dark_and_bright(region[0])
    stroke(layer, 1, *dark)
    stroke(layer, 2, *bright)
    qtbot.waitUntil(waits.is_set, timeout=60_000)
    viewer.window.remove_dock_widget(dock)
    goes_on.set()
    qtbot.wait(300)
    QApplication.processEvents()
    assert "slide taught" not in viewer.layers
    assert layer in viewer.layers


def test_cancel_leaves_the_mask(qtbot, viewer, image, region) -> None:
    goes_on, waits = threading.Event(), threading.Event()
    goes_on.set()

    def slow(settings: Any, device: str) -> Any:
        session = make_session(settings, device)
        fit = session.fit_steps

        def held() -> Any:
            waits.set()
            goes_on.wait(30)
            return (yield from fit())

        session.fit_steps = held
        return session

    widget = Teach(viewer, make_session=slow)
    widget.setValue(widget.value().changed(start="tiny"))
    viewer.window.add_dock_widget(widget, name="Teach")
    layer = two_strokes(qtbot, viewer, widget, region[0])
    first = taught(viewer)
    goes_on.clear()
    waits.clear()
    dark, _ = dark_and_bright(region[0])
    stroke(layer, 2, *dark, 6, 12)
    qtbot.waitUntil(waits.is_set, timeout=60_000)
    widget.live.cancel()
    goes_on.set()
    idle(qtbot, widget)
    np.testing.assert_array_equal(taught(viewer), first)
    assert "cancelled" in widget.live.status.text()
    widget.update_once()
    idle(qtbot, widget)
    assert (taught(viewer) != first).any(), "nothing old is kept of the cancelled fit"


def test_settings_come_back_as_they_were_set(viewer, image, widget) -> None:
    value = widget.value().changed(strength=0.3, mpp=0.5, seed=7, start="tiny")
    widget.setValue(value)
    assert widget.value() == value


def test_starts_from_a_model_whose_classes_come_first(
    qtbot, viewer, widget, region, checkpoint: Path
) -> None:
    layer = two_strokes(qtbot, viewer, widget, region[0])
    widget.setModel(str(checkpoint))
    qtbot.waitUntil(lambda: "tumour" in widget.box.value().names, timeout=60_000)
    idle(qtbot, widget)
    assert widget.box.value().names == ("tumour", "lymphoid", "class 1", "class 2")
    assert widget.box.values() == {"tumour": 3, "lymphoid": 4, "class 1": 1, "class 2": 2}
    assert set(np.unique(layer.data)) == {0, 1, 2}


def test_learn_deeper_until_the_next_stroke(qtbot, viewer, image, widget, region, tmp_path) -> None:
    widget.setValue(widget.value().changed(start="mini", steps=2, batch_size=2, crop=64))
    layer = two_strokes(qtbot, viewer, widget, region[0])
    quick = taught(viewer)
    assert not widget.control.blockedReason()
    with qtbot.waitSignal(widget.finished, timeout=240_000):
        widget.run()
    idle(qtbot, widget)
    assert "Learned deeper from 2 strokes" in widget.message()
    deep = taught(viewer)
    assert (deep != quick).any()
    widget.update_once()  # nothing was painted
    idle(qtbot, widget)
    np.testing.assert_array_equal(taught(viewer), deep)
    widget.save(tmp_path / "deep.construct")
    idle(qtbot, widget)
    assert load_model(tmp_path / "deep.construct", device="cpu").checkpoint.training["stage"] == 2
    before = np.array(layer.data)
    layer.selected_label = 2
    layer.paint((120, 120), 2)
    qtbot.waitUntil(lambda: widget.live.status.text() == "Up to date", timeout=60_000)
    idle(qtbot, widget)
    assert (taught(viewer) != deep).any()
    assert (layer.data != before).any()


def test_learning_deeper_can_be_cancelled(qtbot, viewer, image, widget, region) -> None:
    widget.setValue(widget.value().changed(start="mini", steps=5000, batch_size=2, crop=64))
    two_strokes(qtbot, viewer, widget, region[0])
    first = taught(viewer)
    widget.run()
    qtbot.wait(1500)
    assert widget.control.isRunning()
    widget.cancel()
    qtbot.waitUntil(lambda: not widget.control.isRunning(), timeout=60_000)
    idle(qtbot, widget)
    assert "as before" in widget.control.message()
    np.testing.assert_array_equal(taught(viewer), first)
