"""Adds layers one at a time, with pauses for the event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from qtpy.QtCore import QObject, QTimer, Signal

PAUSE_MS: Final = 20
"""Each layer takes napari tens of milliseconds; in between it may draw and answer."""


class LayerAdder(QObject):
    """Adds what it is given to a viewer, one layer per turn of the event loop."""

    finished = Signal()

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._waiting: deque[Any] = deque()
        self._timer = QTimer(self)
        self._timer.setInterval(PAUSE_MS)
        self._timer.timeout.connect(self._add_next)

    def isActive(self) -> bool:
        """Whether layers are still to be added."""
        return self._timer.isActive()

    def add(self, layers: Iterable[Any]) -> None:
        """Add these after those that wait; ``finished`` comes also where there are none."""
        self._waiting.extend(layers)
        self._timer.start()

    def _add_next(self) -> None:
        if self._waiting:
            self._viewer.add_layer(self._waiting.popleft())
        if not self._waiting:
            self._timer.stop()
            self.finished.emit()
