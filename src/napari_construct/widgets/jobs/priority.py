"""Jobs give way to the GUI thread, not only in the interpreter but also on the processor.

A network takes every core. Whatever the GUI thread then waits for (where napari draws with Mesa the
rasteriser has threads of its own) gets its share of them late: one repaint of napari's window on two cores
takes 16 ms while nothing else runs, 36 ms beside torch, and 23 ms beside torch in a thread of lower priority.
A job loses nothing by it while the window is still.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from qtpy.QtCore import QThread

NICE: Final = 5
"""As Unix counts. Much lower and a job on a busy computer would hold the interpreter's lock for too long."""


@contextmanager
def lowered() -> Iterator[None]:
    """Run the present thread, and the threads that it starts, at a lower priority.

    Without the right to raise it again a thread of the pool keeps the lower one until it ends.
    """
    if sys.platform.startswith("linux"):  # there Qt cannot set it
        before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        _set_nice(max(before, NICE))
        try:
            yield
        finally:
            _set_nice(before)
    else:
        thread = QThread.currentThread()
        before = thread.priority()
        thread.setPriority(QThread.Priority.LowPriority)
        try:
            yield
        finally:
            thread.setPriority(before)


def _set_nice(nice: int) -> None:
    """Of the present thread alone: Linux gives each its own."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
    except PermissionError:  # raising it again is a privilege
        return
