"""One repaint of napari's window, taken apart into steps between which the event loop answers.

It is that of its docks, 30 ms, and of the canvas, 40 ms where Mesa draws it. While painting is held nothing
of it is done; afterwards comes the window with its docks, and then the canvas, which is drawn in one step and
seen in the next. (Whatever is painted, Qt puts the whole window together again, 8 to 16 ms.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from qtpy.QtCore import QCoreApplication, QEvent, Qt
from qtpy.QtGui import QRegion
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow, QWidget
from vispy.gloo import gl

from napari_construct.widgets.layers.turns import Step, Turns


def main_window(widget: QWidget) -> QWidget:
    """The window of napari around a widget, also where its dock floats; without one the outermost widget."""
    window = widget.window()
    while not isinstance(window, QMainWindow) and window.parentWidget() is not None:
        window = window.parentWidget().window()
    return window


def hold_painting(window: QWidget) -> None:
    """Nothing of a window is painted until :func:`painting_again`; what asks for it meanwhile waits.

    Not ``setUpdatesEnabled``, after which every part has forgotten that it asked and the whole window is
    painted. Nor is the canvas held as a widget: it is seen through a hole in the window, which is closed by
    whatever is painted around a canvas without updates.
    """
    window.setAttribute(Qt.WidgetAttribute.WA_UpdatesDisabled, True)
    for canvas in _canvases(window):
        _set_pending(canvas, True)


def draw_ahead(window: QWidget) -> None:
    """Draw one pixel of the canvas: a new layer's programs are compiled and its textures filled by it."""
    for canvas in _canvases(window):
        if canvas.isVisible():
            canvas.makeCurrent()
            gl.glEnable(gl.GL_SCISSOR_TEST)
            gl.glScissor(0, 0, 1, 1)
            try:
                canvas.paintGL()
            finally:
                gl.glDisable(gl.GL_SCISSOR_TEST)
                canvas.doneCurrent()
            _set_pending(canvas, True)


def painting_again(window: QWidget) -> Iterator[Step]:
    """Steps that paint a window: what is around the canvas, and the canvas."""
    yield partial(_paint, window)
    yield partial(_draw, window)
    yield partial(_put_together, window)


@contextmanager
def painted_in_turns(window: QWidget) -> Iterator[None]:
    """What is changed within is painted afterwards, in turns of the event loop."""
    hold_painting(window)
    try:
        yield
    finally:
        turns = Turns(window)
        turns.append(painting_again(window))
        turns.start()


def paint_all(window: QWidget) -> None:
    """Let go of all that is held."""
    for step in painting_again(window):
        step()


def _paint(window: QWidget) -> None:
    """Paint what asked for it, without the canvas."""
    window.setAttribute(Qt.WidgetAttribute.WA_UpdatesDisabled, False)
    for child in _children(window):
        if child.testAttribute(Qt.WidgetAttribute.WA_UpdatesDisabled):  # made, or put into it, meanwhile
            child.setUpdatesEnabled(not child.testAttribute(Qt.WidgetAttribute.WA_ForceUpdatesDisabled))
    window.update(_uncovered(window))
    QCoreApplication.postEvent(window, QEvent(QEvent.Type.UpdateRequest))


def _uncovered(window: QWidget) -> QRegion:
    """What a window paints itself, as between docks: it has forgotten what asked for that."""
    region = QRegion(window.rect())
    for child in _children(window):
        if child.isVisible() and not child.isWindow():
            region = region.subtracted(QRegion(child.geometry()))
    return region


def _children(window: QWidget) -> list[QWidget]:
    found: list[QWidget] = window.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return found


def _draw(window: QWidget) -> None:
    """Draw the canvas and let go of it; what it shows is seen when the window is put together."""
    for canvas in _canvases(window):
        _set_pending(canvas, False)
        if canvas.isVisible():
            canvas.grabFramebuffer()


def _set_pending(canvas: QOpenGLWidget, pending: bool) -> None:
    """While one picture is pending vispy asks for no other; a vispy that does not know it draws earlier."""
    scene: Any = getattr(canvas, "_vispy_canvas", None)
    if hasattr(scene, "_update_pending"):
        scene._update_pending = pending  # noqa: SLF001 - there is no other way to have it wait


def _put_together(window: QWidget) -> None:
    """Paint one pixel of the window, which is then shown anew with all that is in it."""
    window.update(0, 0, 1, 1)


def _canvases(window: QWidget) -> list[QOpenGLWidget]:
    """Where napari draws: not in the docks, which hold most of what there is to look through."""
    inside = window.centralWidget() if isinstance(window, QMainWindow) else window
    return [] if inside is None else inside.findChildren(QOpenGLWidget)
