"""The full garbage collection that falls due with torch and numba comes when nobody waits for anything.

After the import of torch it takes a quarter of a second, and where numba has compiled 0.7 s, and stops
everything. Left alone it comes with whatever is done next: opening a second widget took 320 ms with it, and
70 without. So full collections are held off until nothing has worked and no mouse button was down for some
seconds, and then there is one. A GUI thread that was not asked in time was at work too.
"""

from __future__ import annotations

import gc
import sys
import time
from functools import cache
from importlib.util import find_spec
from typing import Final

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_construct.widgets.jobs.interpreter import PATIENCE

LARGE: Final = ("torch", "numba")
LOOK_MS: Final = 1000
LATE_MS: Final = 100
QUIET_LOOKS: Final = 3
MANY: Final = 200
"""Modules that, once imported, ask for a collection whatever they are."""


def collect_when_quiet(*, anyway: bool = False) -> None:
    """Called in the GUI thread before work that may import torch or numba; once they are there no more.

    ``anyway`` is for work that may import as much as they are.
    """
    application = QApplication.instance()
    if application is None or not (anyway or _to_come()):
        return
    if application.findChild(_Collection) is None:
        _Collection(application)


def _to_come() -> set[str]:
    """Which of them are not imported yet."""
    return {name for name in _installed() if name not in sys.modules}


@cache
def _installed() -> tuple[str, ...]:
    return tuple(name for name in LARGE if find_spec(name) is not None)


class _Collection(QObject):
    """Looks now and then whether it is quiet; it goes when it has collected, or when nothing was imported."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._quiet, self._to_come, self._modules = 0, _to_come(), len(sys.modules)
        PATIENCE.__enter__()
        self._seen = PATIENCE.entered, time.monotonic()
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _was_quiet(self) -> bool:
        """Whether nothing has happened since the last look."""
        (entered, then), self._seen = self._seen, (PATIENCE.entered, time.monotonic())
        worked = PATIENCE.inside > 1 or self._seen[0] > entered
        late = 1000 * (self._seen[1] - then) > self._timer.interval() + LATE_MS
        return not (worked or late or QApplication.mouseButtons() != Qt.MouseButton.NoButton)

    def _look(self) -> None:
        self._quiet = self._quiet + 1 if self._was_quiet() else 0
        if self._quiet < QUIET_LOOKS:
            return
        self._timer.stop()
        try:
            if self._to_come - _to_come() or len(sys.modules) - self._modules >= MANY:
                gc.collect()
        finally:
            PATIENCE.__exit__()
            self.deleteLater()
