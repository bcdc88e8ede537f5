"""What a job needs is imported in the job's thread: one job at a time, and triton first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from napari_construct.widgets.jobs.triton_first import import_triton

_LOCK: Final = threading.RLock()


@contextmanager
def importing() -> Iterator[None]:
    """Import inside what needs torch.

    One thread at a time: of modules that import each other, two threads may be given halves.
    """
    with _LOCK:
        import_triton()
        yield
