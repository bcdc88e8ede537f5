"""Keys pressed on napari's canvas while a layer of ours is selected."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import QPoint, Qt
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget
from tests.widgets.conftest import run_job

from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui


@pytest.fixture
def canvas(qtbot, viewer, widget: SegmentTissue) -> QWidget:
    """The canvas, once Segment has added its layers."""
    widget._parts.class_maps.click()
    run_job(qtbot, widget)
    found = widget.window().findChild(QOpenGLWidget)
    assert found is not None
    return found


@pytest.fixture
def mask(viewer, canvas) -> Labels:
    """The mask, selected as it is after a run."""
    layer = viewer.layers["slide mask"]
    assert viewer.layers.selection.active == layer
    return layer


def stroke(canvas: QWidget) -> None:
    """Drag the mouse over the middle of the canvas."""
    middle = canvas.rect().center()
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=middle)
    for x in range(4, 21, 4):
        QTest.mouseMove(canvas, middle + QPoint(x, 0))
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=middle + QPoint(20, 0))


def test_digits_choose_the_class_while_painting(canvas, mask) -> None:
    QTest.keyClick(canvas, "p")
    assert mask.mode == "paint"
    for value in (2, 1):
        QTest.keyClick(canvas, str(value))
        assert (mask.selected_label, mask.mode) == (value, "paint")


def test_digits_choose_tools_otherwise(canvas, mask) -> None:
    assert mask.mode == "pan_zoom"
    QTest.keyClick(canvas, "2")
    assert (mask.selected_label, mask.mode) == (1, "paint")
    QTest.keyClick(canvas, "e")
    assert mask.mode == "erase"
    QTest.keyClick(canvas, "2")
    assert (mask.selected_label, mask.mode) == (1, "paint")
    QTest.keyClick(canvas, "4")  # of a mask of two classes it is napari's own: the bucket
    assert mask.mode == "fill"


def test_a_stroke_is_undone_and_redone(canvas, mask) -> None:
    before = np.array(mask.data)
    QTest.keyClick(canvas, "e")
    mask.brush_size = 12
    stroke(canvas)
    painted = np.array(mask.data)
    assert (painted != before).sum() > 100
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(mask.data, before)
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(canvas, Qt.Key.Key_Z, both)
    np.testing.assert_array_equal(mask.data, painted)


@pytest.mark.parametrize("name", ["slide mask", "slide tumour (class map)"])
def test_space_moves_the_canvas_while_it_is_held(viewer, canvas, name) -> None:
    layer = viewer.layers[name]
    viewer.layers.selection.active = layer
    layer.visible = True  # napari lets no other be edited
    mode = "paint" if name == "slide mask" else "transform"
    layer.mode = mode
    QTest.keyPress(canvas, Qt.Key.Key_Space)
    assert layer.mode == "pan_zoom"
    QTest.keyRelease(canvas, Qt.Key.Key_Space)
    assert layer.mode == mode


def test_keys_of_a_cam(viewer, canvas) -> None:
    cam = viewer.layers["slide tumour (class map)"]
    viewer.layers.selection.active = cam
    QTest.keyClick(canvas, "v")
    assert not cam.visible
    QTest.keyClick(canvas, "v")
    QTest.keyClick(canvas, "2")
    assert cam.mode == "transform"
    QTest.keyClick(canvas, "1")
    assert cam.mode == "pan_zoom"
