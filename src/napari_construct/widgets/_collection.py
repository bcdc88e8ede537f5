"""The full garbage collection that falls due with the import of torch comes when nobody waits for anything.

It takes a quarter of a second and stops everything. Left alone it comes with whatever is done next: opening a
second widget took 320 ms with it, and 70 without. So full collections are held off until nothing has worked
and no mouse button was down for some seconds, and then there is one.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_construct.widgets._patience import PATIENCE

LOOK_MS: Final = 1000
QUIET_LOOKS: Final = 3


def collect_when_quiet() -> None:
    """Called in the GUI thread before work that may import torch; once torch is there it does nothing."""
    application = QApplication.instance()
    if "torch" not in sys.modules and application is not None and application.findChild(_Collection) is None:
        _Collection(application)


class _Collection(QObject):
    """Looks now and then whether it is quiet; it goes when it has collected, or when torch did not come."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._quiet = 0
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
            if "torch" in sys.modules:
                gc.collect()
        finally:
            PATIENCE.__exit__()
            self.deleteLater()
