"""Refine as a person uses it: real strokes, keys and sliders, in a window on the display."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QSlider
from tests.widgets import person
from tests.widgets.refine.conftest import segmented

from napari_construct.events import Event
from napari_construct.inference.decision import decider
from napari_construct.widgets.layers import evidence
from napari_construct.widgets.refine.refine import Refine

pytestmark = [pytest.mark.gui, pytest.mark.shown]


def slid(qtbot, widget: Refine, name: str, part: float) -> None:
    """Drag a slider and wait for the mask."""
    with qtbot.waitSignal(widget.updated, timeout=60_000):
        person.slide(person.find(widget, f"{name} (slider)", QSlider), part)
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)


def painted(qtbot, viewer, widget: Refine, start=(-60, 0), end=(60, 0)) -> np.ndarray:
    """Choose the refined mask and its brush, and draw; where the mask changed."""
    layer = widget.refinedLayer()
    before = np.array(layer.data)
    person.click_layer(viewer, layer.name)
    on = person.canvas(viewer)
    person.press(on, Qt.Key.Key_R, person.CONTROL)  # the whole image
    middle = before[tuple(n // 2 for n in before.shape)]
    person.press(on, "1" if middle != 1 else "2")
    person.press(on, "p")
    assert layer.mode == "paint"
    layer.brush_size = 12
    person.stroke(on, start, end)
    return np.asarray(layer.data) != before


def test_strokes_outlast_sliders_and_are_counted_and_shown(qtbot, viewer, widget: Refine) -> None:
    slid(qtbot, widget, "Min. confidence", 0.51)
    where = painted(qtbot, viewer, widget)
    assert where.any()
    kept = f"{where.sum():,} painted pixels kept"
    qtbot.waitUntil(lambda: kept in person.words(widget), timeout=5000)
    after = np.array(widget.refinedLayer().data)
    for part in (0.2, 0.52):
        slid(qtbot, widget, "Min. confidence", part)
        np.testing.assert_array_equal(widget.refinedLayer().data[where], after[where])
        assert kept in person.words(widget)
    active = viewer.layers.selection.active
    person.click(person.find(widget, "Show painted", QPushButton))
    outline = viewer.layers[f"{widget.refinedLayer().name} painted"]
    np.testing.assert_array_equal(outline.data > 0, where)
    assert viewer.layers.selection.active == active  # and the brush stays where it was
    more = painted(qtbot, viewer, widget, (-60, 40), (60, 40))
    qtbot.waitUntil(lambda: bool((outline.data[more] > 0).all()), timeout=5000)
    person.click(person.find(widget, "Show painted", QPushButton))
    assert outline not in viewer.layers


def test_the_sliders_follow_undo_and_redo(qtbot, viewer, widget: Refine) -> None:
    slid(qtbot, widget, "Min. confidence", 0.51)
    first, mask_first = widget.value(), np.array(widget.refinedLayer().data)
    slid(qtbot, widget, "Min. confidence", 0.55)
    second, mask_second = widget.value(), np.array(widget.refinedLayer().data)
    assert (mask_first != mask_second).any()
    where = painted(qtbot, viewer, widget)
    on = person.canvas(viewer)
    person.undo(on)  # the stroke
    np.testing.assert_array_equal(widget.refinedLayer().data, mask_second)
    assert widget.value() == second
    for _ in range(10):  # the slider; a drag may be refined in several places
        if widget.value() != first:
            person.undo(on)
    np.testing.assert_array_equal(widget.refinedLayer().data, mask_first)
    assert widget.value() == first
    assert "Up to date" in person.words(widget)
    for _ in range(10):
        if (np.asarray(widget.refinedLayer().data) != evidence(widget.layer()).labels).any():
            person.undo(on)
    np.testing.assert_array_equal(widget.refinedLayer().data, evidence(widget.layer()).labels)
    assert widget.value().min_confidence < first.min_confidence
    qtbot.wait(300)
    assert not widget.isRunning()  # which refines nothing
    for value, labels in ((first, mask_first), (second, mask_second)):
        for _ in range(10):
            if widget.value() != value:
                person.press(on, Qt.Key.Key_Z, person.CONTROL | person.SHIFT)
        np.testing.assert_array_equal(widget.refinedLayer().data, labels)
        assert widget.value() == value
    person.press(on, Qt.Key.Key_Z, person.CONTROL | person.SHIFT)
    assert (widget.refinedLayer().data[where] != mask_second[where]).any()


@pytest.fixture
def slow(monkeypatch):
    """A CRF that waits between its steps until it is let go."""
    go = threading.Event()

    def waiting(*args):
        for i in range(400):
            if go.wait(0.05):
                break
            yield Event("dense CRF", i, 400)

    monkeypatch.setattr(decider, "compile_steps", waiting)
    yield go
    go.set()


def test_cancel_keeps_the_mask(qtbot, viewer, widget: Refine, slow) -> None:
    slow.set()
    slid(qtbot, widget, "Colour weight", 0.6)
    slow.clear()
    before = np.array(widget.refinedLayer().data)
    assert "Cancel" not in person.words(widget)
    person.slide(person.find(widget, "Colour weight (slider)", QSlider), 0.1)
    qtbot.waitUntil(lambda: "Cancel" in person.words(widget), timeout=10_000)
    person.click(person.find(widget, "Cancel", QPushButton))
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=1000)
    assert "Not up to date" in person.words(widget)
    assert "Cancel" not in person.words(widget).splitlines()
    np.testing.assert_array_equal(widget.refinedLayer().data, before)
    slow.set()
    with qtbot.waitSignal(widget.updated, timeout=60_000):
        person.click(person.find(widget, "Update once", QPushButton))
    assert "Up to date" in person.words(widget)


def test_the_button_names_the_mask_of_the_active_layer(
    qtbot, viewer, widget: Refine, tissue, predictor, checkpoint
) -> None:
    update = person.find(widget, "Update once", QPushButton)
    assert update.text() == "Update once: slide mask"
    widget.layer().name = "mine"
    assert update.text() == "Update once: mine"
    other = viewer.add_image(tissue[::-1].copy(), name="other", rgb=True)
    segmented(viewer, other, predictor, str(checkpoint))
    person.click_layer(viewer, "slide")
    assert update.text() == "Update once: mine"
    person.click_layer(viewer, "other")
    assert update.text() == "Update once: other mask"
    for layer in list(viewer.layers):
        viewer.layers.remove(layer)
    assert update.text() == "Update once"
