"""Adds layers to a viewer, one per turn of the event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_construct.widgets.layers.origin import show


class LayerAdder(QObject):
    """Adds layers to a viewer, one per turn, so that the window stays responsive.

    A result that repeats an untouched one takes its place; see :func:`~.origin.show`.

    napari needs 50 to 150 ms of the GUI thread to add a layer.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    parent : QWidget
        The dock widget. If it is closed, the waiting layers are still added.
    style : callable, optional
        Called with each layer before it is added.
    """

    added = Signal(object)
    """The layer on view: a new one, or the former one whose place it took."""
    finished = Signal()

    def __init__(self, viewer: Any, parent: QWidget, *, style: Callable[[Any], None] | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._style = viewer, style
        self._queue: _Queue | None = None

    def isActive(self) -> bool:
        """Whether layers are waiting."""
        return self._queue is not None

    def add(self, layers: Iterable[Any]) -> None:
        """Add layers after the waiting ones; ``finished`` comes also without layers."""
        if self._queue is None:
            self._queue = _Queue(self._viewer, main_window(self.parent()), self._style)
            self._queue.added.connect(self.added)
            self._queue.finished.connect(self._on_finished)
        self._queue.layers.extend(layers)

    def drop(self) -> None:
        """Drop the waiting layers."""
        if self._queue is not None:
            self._queue.layers.clear()

    def _on_finished(self) -> None:
        self._queue = None
        self.finished.emit()


class _Queue(QObject):
    """The waiting layers. The window owns them: they outlive the dock and go with the viewer."""

    added = Signal(object)
    finished = Signal()

    def __init__(self, viewer: Any, window: QWidget, style: Callable[[Any], None] | None) -> None:
        super().__init__(window)
        self._style = style
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
            layer = self.layers.popleft()
            if self._style is not None:
                self._style(layer)
            self.added.emit(show(self._viewer, layer))
        finally:  # an error of one layer does not stop the others
            self._turn.start(0)


def main_window(widget: QWidget) -> QWidget:
    """Napari's window around a widget, also if its dock floats; without one the outermost widget."""
    window = widget.window()
    while not isinstance(window, QMainWindow) and window.parentWidget() is not None:
        window = window.parentWidget().window()
    return window
