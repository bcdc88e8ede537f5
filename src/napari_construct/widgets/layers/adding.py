"""Adds layers to a viewer, one in each turn of the event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow, QWidget


class LayerAdder(QObject):
    """Adds what it is given to a viewer, one layer a turn, so that the event loop answers in between.

    Adding a layer costs napari 50 to 150 ms of the GUI thread, whatever the layer holds.

    Parameters
    ----------
    viewer : napari.Viewer
        That gets the layers.
    parent : QWidget
        The dock widget. When it is closed on the way, what was given is still added.
    """

    finished = Signal()

    def __init__(self, viewer: Any, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._queue: _Queue | None = None

    def isActive(self) -> bool:
        """Whether layers are still to be added."""
        return self._queue is not None

    def add(self, layers: Iterable[Any]) -> None:
        """Add these after those that wait; ``finished`` comes also where there are none."""
        if self._queue is None:
            self._queue = _Queue(self._viewer, main_window(self.parent()))
            self._queue.finished.connect(self._on_finished)
        self._queue.layers.extend(layers)

    def drop(self) -> None:
        """Leave out the layers that were not added yet, because nobody wants them any more."""
        if self._queue is not None:
            self._queue.layers.clear()

    def _on_finished(self) -> None:
        self._queue = None
        self.finished.emit()


class _Queue(QObject):
    """Layers that wait. It belongs to the window: it outlives the dock and goes with the viewer."""

    finished = Signal()

    def __init__(self, viewer: Any, window: QWidget) -> None:
        super().__init__(window)
        self.layers: deque[Any] = deque()
        self._viewer = viewer
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._next)
        self._turn.start(0)

    def _next(self) -> None:
        if not self.layers:
            self.finished.emit()
            self.deleteLater()
            return
        try:
            self._viewer.add_layer(self.layers.popleft())
        finally:  # an error of one layer is told, and keeps no other from coming
            self._turn.start(0)


def main_window(widget: QWidget) -> QWidget:
    """The window of napari around a widget, also where its dock floats; without one the outermost widget."""
    window = widget.window()
    while not isinstance(window, QMainWindow) and window.parentWidget() is not None:
        window = window.parentWidget().window()
    return window
