"""Work of the GUI thread in steps so small that the event loop answers in between; painting is some of it.

One repaint of napari's window is that of its docks, 30 ms and more, and of the canvas, 40 ms where Mesa draws
it. While painting is held nothing of it is done; afterwards it comes in three turns: the window with what is
on its left, where napari has its own docks, those on its right, and the canvas. (Whatever is painted, Qt puts
the whole window together again, 8 to 16 ms: one dock a turn is slower.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from qtpy.QtCore import QCoreApplication, QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_construct.widgets._patience import PATIENCE

PAUSE_MS: Final = 8
"""Between two steps: timers, events and drawing have their turn."""

Step = Callable[[], object]


class Turns(QObject):
    """Jobs of several steps, one step a turn; it belongs to the window and goes when it is done."""

    finished = Signal()

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._jobs: deque[deque[Step]] = deque()
        self._begun = 0
        self._timer = QTimer(self)
        self._timer.setInterval(PAUSE_MS)
        self._timer.timeout.connect(self._next)

    def append(self, steps: Iterable[Step]) -> None:
        """The steps of one job more."""
        self._jobs.append(deque(steps))

    def start(self) -> None:
        self._timer.start()

    def drop(self) -> None:
        """Only the job that was begun is still finished."""
        while len(self._jobs) > self._begun:
            self._jobs.pop()

    def _next(self) -> None:
        if not self._jobs:  # what the end sets off has a turn of its own
            self._timer.stop()
            self.finished.emit()
            self.deleteLater()
            return
        self._begun = 1
        try:
            with PATIENCE:  # a collection comes between two steps, not within one
                self._jobs[0].popleft()()
        finally:
            if not self._jobs[0]:
                self._jobs.popleft()
                self._begun = 0


def main_window(widget: QWidget) -> QWidget:
    """The window of napari around a widget, also where its dock floats; without one the outermost widget."""
    window = widget.window()
    while not isinstance(window, QMainWindow) and window.parentWidget() is not None:
        window = window.parentWidget().window()
    return window


def hold_painting(window: QWidget) -> None:
    """Nothing of a window is painted until :func:`painting_again`; it shows what was painted last."""
    for part in (*_canvases(window), *_docks(window, Qt.DockWidgetArea.RightDockWidgetArea), window):
        part.setUpdatesEnabled(False)


def draw_ahead(window: QWidget) -> None:
    """Draw the canvas, not onto the screen: the first picture of a new layer takes twice as long."""
    for canvas in _canvases(window):
        if canvas.isVisible():
            canvas.grabFramebuffer()


def painting_again(window: QWidget) -> Iterator[Step]:
    """Steps that paint a window: what is around the canvas, the docks on its right, and the canvas."""
    yield partial(_paint, window, lambda window: [window])
    yield partial(_paint, window, _docks)  # one on the right may be elsewhere by now
    yield partial(_paint, window, _canvases)


def paint_all(window: QWidget) -> None:
    """Let go of all that is held."""
    for step in painting_again(window):
        step()


def _paint(window: QWidget, find: Callable[[QWidget], Sequence[QWidget]]) -> None:
    """Let go of parts of a window; they are painted next.

    Qt takes what was held to be asked for already, asks no more, and paints several parts at once: so ask.
    """
    for part in find(window):
        part.setUpdatesEnabled(True)
    QCoreApplication.postEvent(window, QEvent(QEvent.Type.UpdateRequest))


def _docks(window: QWidget, area: Qt.DockWidgetArea | None = None) -> list[QDockWidget]:
    """All docks, or those of one area: on the right are those of plugins.

    They are the window's own children. To look further down asks Python about thousands of widgets: 2 ms, and
    30 while another thread imports.
    """
    if not isinstance(window, QMainWindow):
        return []
    docks = window.findChildren(QDockWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
    return [dock for dock in docks if area is None or window.dockWidgetArea(dock) == area]


def _canvases(window: QWidget) -> list[QOpenGLWidget]:
    """Where napari draws: not in the docks, which hold most of what there is to look through."""
    inside = window.centralWidget() if isinstance(window, QMainWindow) else window
    return [] if inside is None else inside.findChildren(QOpenGLWidget)
