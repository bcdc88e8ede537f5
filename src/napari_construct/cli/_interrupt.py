"""Ctrl-C stops a job between two events, never within a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

if TYPE_CHECKING:
    from napari_construct.events import Event, Steps

Result = TypeVar("Result")

TERMINATED: Final = 128 + signal.SIGTERM
"""Exit code after SIGTERM, as shells say it."""


@contextmanager
def orderly_end() -> Iterator[None]:
    """Leave the blocks on the way out at SIGTERM, too, so that other processes that were begun end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(*_: object) -> NoReturn:
    raise SystemExit(TERMINATED)


@contextmanager
def delayed_interrupt() -> Iterator[threading.Event]:
    """Turn Ctrl-C into a flag, because a job cannot resume from the middle of a step."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.signal(signal.SIGINT, lambda *_: pressed.set())
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def interruptible(steps: Steps[Result]) -> Steps[Result]:
    """Forward a job. At the first event after Ctrl-C, close it, which saves its state."""
    from napari_construct.events import forward

    with delayed_interrupt() as pressed:

        def unless_pressed(event: Event) -> tuple[Event]:
            if pressed.is_set():
                raise KeyboardInterrupt
            return (event,)

        return (yield from forward(steps, unless_pressed))
