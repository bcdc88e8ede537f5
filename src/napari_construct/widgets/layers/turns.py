"""Work of the GUI thread in steps so small that the event loop answers in between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.jobs.interpreter import PATIENCE

PAUSE_MS: Final = 1
"""From the end of a step to the next: timers, events and drawing have their turn."""

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
        self._timer.setSingleShot(True)
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
            self._timer.start()
