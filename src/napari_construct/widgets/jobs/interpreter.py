"""What lets the GUI thread answer while Python works in another thread.

* A thread that wants the interpreter's lock back waits up to 5 ms by default, and the GUI thread wants it at
  each of the dozens of slots and filters that one repaint calls. While something works it is a tenth of that.
* A full garbage collection looks through every object there is, a million once torch is loaded: 100 ms and
  more in which nothing else runs (120 ms in napari alone, 240 ms once torch and what needs it are there).
  While something works only the young objects are collected; what is due comes afterwards.

One is due once torch was imported (``_collection``). ``gc.freeze`` and ``gc.unfreeze`` around the import
would put that off, and ended in a segmentation fault in a later collection.
"""

from __future__ import annotations

import gc
import sys
import threading
from typing import Final

SWITCH_SECONDS: Final = 0.0005
_NEVER: Final = 1_000_000


class Patience:
    """Entered by whatever works; as before once the last one has left. Safe to enter from several threads."""

    def __init__(self) -> None:
        self._inside = self._entered = 0
        self._lock = threading.Lock()
        self._interval = 0.0
        self._thresholds = (0, 0, 0)

    @property
    def inside(self) -> int:
        """How many have entered and not left."""
        return self._inside

    @property
    def entered(self) -> int:
        """How many ever have."""
        return self._entered

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._interval, self._thresholds = sys.getswitchinterval(), gc.get_threshold()
                sys.setswitchinterval(min(self._interval, SWITCH_SECONDS))
                gc.set_threshold(*self._thresholds[:2], _NEVER)
            self._inside += 1
            self._entered += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                sys.setswitchinterval(self._interval)
                gc.set_threshold(*self._thresholds)


PATIENCE: Final = Patience()
"""The interpreter has one lock and one collector, so there is one of these."""
