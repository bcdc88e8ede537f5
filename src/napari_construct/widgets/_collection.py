"""The full garbage collection that falls due with torch and numba comes when nobody waits for anything.

After the import of torch it takes a quarter of a second, and where numba has compiled 0.7 s, and stops
everything. Left alone it comes with whatever is done next: opening a second widget took 320 ms with it, and
70 without. So full collections are held off until nothing has worked and no mouse button was down for some
seconds, and then there is one.
"""

from __future__ import annotations

import gc
import sys
from functools import cache
from importlib.util import find_spec
from typing import Final

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_construct.widgets._patience import PATIENCE

LARGE: Final = ("torch", "numba")
LOOK_MS: Final = 1000
QUIET_LOOKS: Final = 3


def collect_when_quiet() -> None:
    """Called in the GUI thread before work that may import torch or numba; once they are there no more."""
    application = QApplication.instance()
    if _to_come() and application is not None and application.findChild(_Collection) is None:
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
        self._quiet, self._to_come = 0, _to_come()
        PATIENCE.__enter__()
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _look(self) -> None:
        held = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        self._quiet = 0 if held or PATIENCE.inside > 1 else self._quiet + 1
        if self._quiet < QUIET_LOOKS:
            return
        self._timer.stop()
        try:
            if self._to_come - _to_come():
                gc.collect()
        finally:
            PATIENCE.__exit__()
            self.deleteLater()
