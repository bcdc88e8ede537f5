"""Ctrl-C reaches the process that gives the work, which ends its workers; not these as well."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Threads and processes that begin here, and those that they begin later, get no Ctrl-C.

    A terminal sends it to all processes of a command; workers would each show a traceback. In this process
    it is not lost: it comes at the end of the block. Does nothing on Windows.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # begins Python's tracker of locks, which would let Ctrl-C in again
    multiprocessing.get_context("spawn").Lock()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
