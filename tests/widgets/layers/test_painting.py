"""A window is painted part after part, and in the end the screen shows all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.QtGui import QColor, QImage
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication, QDialog, QLabel, QMainWindow, QWidget

from napari_construct.widgets.layers.adding import insertion
from napari_construct.widgets.layers.painting import hold_painting, main_window, painting_again

pytestmark = pytest.mark.gui

RED = np.tile(np.array([255, 0, 0], np.uint8), (64, 64, 1))
BLUE = np.tile(np.array([0, 0, 255], np.uint8), (64, 64, 1))


@pytest.fixture
def shown(qtbot, make_napari_viewer_proxy) -> Any:
    """A viewer on the screen that shows something red."""
    if QApplication.platformName() != "xcb":
        pytest.skip("looks at the screen, which this platform does not allow")
    viewer = make_napari_viewer_proxy(show=True)
    widget = QWidget()
    widget.setObjectName("inside")
    viewer.window.add_dock_widget(widget, name="Somewhere")
    with qtbot.waitExposed(main_window(widget)):
        pass
    viewer.add_image(RED, rgb=True)
    qtbot.waitUntil(lambda: is_seen(RED), timeout=10_000)
    return viewer


def window() -> QMainWindow:
    """The viewer's; whoever keeps it or its canvas keeps the viewer alive."""
    (shown,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow) and w.isVisible())
    return shown


def is_seen(image: NDArray[np.uint8], where: QWidget | None = None) -> bool:
    """Whether this colour is on the screen in the middle of a widget, of the canvas where none is given."""
    part = where or window().centralWidget().findChildren(QOpenGLWidget)[0]
    corner, side = part.mapToGlobal(part.rect().center()), 20
    screen = part.screen().grabWindow(0, corner.x(), corner.y(), side, side).toImage()
    colours = [QColor(screen.pixel(x, y)) for x in range(side) for y in range(side)]
    seen = {(colour.red(), colour.green(), colour.blue()) for colour in colours}
    return all(abs(int(a) - b) < 16 for rgb in seen for a, b in zip(image[0, 0], rgb, strict=True))


def test_a_dock_stays_as_it_was_until_it_is_painted(qtbot, shown) -> None:
    (dock,) = (w for w in QApplication.allWidgets() if w.objectName() == "inside")
    dock.setStyleSheet("background: red")
    qtbot.waitUntil(lambda: is_seen(RED, dock), timeout=2000)
    dock.setStyleSheet("background: blue")  # asked for before it is held
    hold_painting(window())
    above = QWidget(dock)
    above.show()
    above.hide()
    qtbot.wait(100)
    assert is_seen(RED, dock)
    for step in painting_again(window()):
        step()
    qtbot.waitUntil(lambda: is_seen(BLUE, dock), timeout=2000)


def test_the_screen_shows_the_old_picture_and_then_the_new_one(qtbot, shown) -> None:
    viewer = shown
    *steps, drawn, last = insertion(viewer, window(), Image(BLUE, rgb=True), select=True)
    for step in steps:
        step()
        qtbot.wait(20)
        assert is_seen(RED), step
    drawn()
    last()
    qtbot.waitUntil(lambda: is_seen(BLUE), timeout=2000)
    viewer.layers[-1].visible = False
    qtbot.waitUntil(lambda: is_seen(RED), timeout=2000)


def test_parts_that_made_room_leave_nothing_behind(qtbot, shown) -> None:
    viewer = shown
    for step in insertion(viewer, window(), Labels(np.ones((64, 64), np.uint8)), select=True):
        step()
        qtbot.wait(10)
    qtbot.wait(200)
    before = picture()
    window().update()
    qtbot.wait(200)
    assert (np.abs(picture() - before) > 8).mean() < 1e-4


def picture() -> NDArray[np.int_]:
    """The window as it is on the screen."""
    corner, size = window().mapToGlobal(window().rect().topLeft()), window().size()
    there = window().screen().grabWindow(0, corner.x(), corner.y(), size.width(), size.height()).toImage()
    there = there.convertToFormat(QImage.Format.Format_RGB32)
    values = np.frombuffer(there.constBits().asstring(there.sizeInBytes()), np.uint8)
    return values.reshape(there.height(), -1, 4)[:, : there.width(), :3].astype(int)


def test_what_is_shown_and_hidden_above_it_leaves_no_hole(qtbot, shown) -> None:
    viewer = shown
    above = QWidget(window())
    above.setGeometry(window().rect())
    above.setAutoFillBackground(True)
    above.show()
    qtbot.waitUntil(lambda: not is_seen(RED), timeout=2000)
    *steps, paint, draw, last = insertion(viewer, window(), Image(BLUE, rgb=True), select=True)
    for step in steps:
        step()
    above.hide()
    for step in (paint, draw, last):
        step()
        qtbot.wait(20)
    qtbot.waitUntil(lambda: is_seen(BLUE), timeout=2000)
    above.deleteLater()


@pytest.mark.parametrize("kind", [QLabel, QDialog])
def test_what_is_made_meanwhile_is_painted(qtbot, shown, kind) -> None:
    hold_painting(window())
    above = kind(window())
    above.setStyleSheet("background: blue")
    above.setGeometry(window().rect())
    above.show()
    unwanted = QWidget(window())
    unwanted.setUpdatesEnabled(False)
    for step in painting_again(window()):
        step()
    qtbot.waitUntil(lambda: is_seen(BLUE, above), timeout=2000)
    assert not unwanted.updatesEnabled()
    above.deleteLater()
    unwanted.deleteLater()


def test_a_picture_that_was_held_is_drawn_in_the_end(qtbot, shown) -> None:
    viewer = shown
    hold_painting(window())
    viewer.layers[-1].data = BLUE
    viewer.layers[-1].refresh()
    qtbot.wait(100)
    assert is_seen(RED)
    for step in painting_again(window()):
        step()
    qtbot.waitUntil(lambda: is_seen(BLUE), timeout=2000)
