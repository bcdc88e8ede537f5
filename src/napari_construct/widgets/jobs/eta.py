"""Remaining time of a job."""

from __future__ import annotations

import time
from collections.abc import Callable

from napari_construct.events import Event


class Eta:
    """Remaining time of the current stage: mean time of its finished units times the units left.

    Parameters
    ----------
    clock : callable
        Seconds; monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage = ""
        self._start = 0.0
        self._first = 0

    def update(self, event: Event) -> float | None:
        """Seconds left in the event's stage; None before its first unit is finished."""
        now = self._clock()
        if event.stage != self._stage or event.done < self._first:
            self._stage, self._start, self._first = event.stage, now, event.done
            return None
        finished = event.done - self._first
        if finished <= 0 or event.total <= 0:
            return None
        return (now - self._start) / finished * max(event.total - event.done, 0)


def in_words(seconds: float) -> str:
    """Seconds as text, e.g. "3 min 20 s"."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest // 10 * 10} s" if minutes < 10 and rest >= 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
