"""A window is painted part after part, and whatever happens meanwhile, all of it in the end."""

from __future__ import annotations

import pytest
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QDockWidget, QWidget

from napari_construct.widgets._turns import Turns, hold_painting, main_window, painting_again

pytestmark = pytest.mark.gui


def parts(window: QWidget) -> list[QWidget]:
    return [window, *window.findChildren(QDockWidget), *window.findChildren(QOpenGLWidget)]


def test_all_is_painted_in_the_end(viewer) -> None:
    widget = QWidget()
    viewer.window.add_dock_widget(widget, name="Somewhere")
    window = main_window(widget)
    assert len(parts(window)) > 4  # the window, docks of napari and ours, the canvas
    hold_painting(window)
    assert not any(part.updatesEnabled() for part in parts(window))
    first, second, last = painting_again(window)
    first()
    assert window.updatesEnabled()
    assert not widget.updatesEnabled()
    second()
    assert widget.updatesEnabled()
    assert not any(canvas.updatesEnabled() for canvas in window.findChildren(QOpenGLWidget))
    last()
    assert all(part.updatesEnabled() for part in parts(window))


def test_an_error_in_one_step_does_not_stop_the_others(qtbot) -> None:
    window, done = QWidget(), []
    qtbot.addWidget(window)
    turns = Turns(window)
    turns.append([lambda: 1 / 0, lambda: done.append(1)])
    with qtbot.capture_exceptions() as seen, qtbot.waitSignal(turns.finished):
        turns.start()
    assert done == [1]
    assert [kind for kind, *_ in seen] == [ZeroDivisionError]
