"""What lets the GUI thread answer while Python works in another thread.

* A thread that wants the interpreter's lock back waits up to 5 ms by default, and the GUI thread wants it at
  each of the dozens of slots and filters that one repaint calls. While something works it is a tenth of that.
* A full garbage collection looks through every object there is, a million once torch is loaded: 100 ms and
  more in which nothing else runs (120 ms in napari alone, 240 ms once torch and what needs it are there).
  While something works only the young objects are collected; what is due comes afterwards.
* It is due when there is a quarter more objects than at the last one, and that is what importing torch does.
  What is imported stays for ever, so there is nothing to collect: here it is old from the beginning.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SWITCH_SECONDS: Final = 0.0005
_NEVER: Final = 1_000_000


class Patience:
    """Entered by whatever works; as before once the last one has left. Safe to enter from several threads."""

    def __init__(self) -> None:
        self._inside = 0
        self._lock = threading.Lock()
        self._interval = 0.0
        self._thresholds = (0, 0, 0)

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._interval, self._thresholds = sys.getswitchinterval(), gc.get_threshold()
                sys.setswitchinterval(min(self._interval, SWITCH_SECONDS))
                gc.set_threshold(*self._thresholds[:2], _NEVER)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                sys.setswitchinterval(self._interval)
                gc.set_threshold(*self._thresholds)


PATIENCE: Final = Patience()
"""The interpreter has one lock and one collector, so there is one of these."""


@contextmanager
def old_at_once() -> Iterator[None]:
    """What is imported within counts as old, and makes no full collection due.

    Nothing is collected meanwhile. Where somebody else decides what is collected, all stays as it is.
    """
    if gc.get_freeze_count() or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # out of the young generations, uncounted,
        gc.unfreeze()  # and into the oldest
        gc.enable()
