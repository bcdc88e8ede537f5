"""Imports in a job's thread: one job at a time, and triton first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from napari_construct.widgets.jobs.triton_first import import_triton

_LOCK: Final = threading.RLock()


@contextmanager
def importing() -> Iterator[None]:
    """Guard imports of torch and of modules that need it.

    One thread at a time: two threads that import a circle of modules may get half-initialised ones.
    """
    with _LOCK:
        import_triton()
        yield
