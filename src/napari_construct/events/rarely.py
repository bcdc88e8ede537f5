"""Work that decides nothing - pictures, states to resume from - done as often as its time allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

SHARE: Final = 0.05
"""Share of the time that such work may take."""


class Rarely:
    """Says when some work is due, so that it takes a small share of the time.

    It is due once at the beginning, and again when the time since it ended is ``(1 - share) / share`` times
    what it took last.

    Parameters
    ----------
    share : float
        Share of the time, 0 to 1.
    clock : callable
        Seconds; monotonic.
    """

    def __init__(self, share: float = SHARE, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause, self._clock = (1 - share) / share, clock
        self._again: float | None = None

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return self._again is None or self._clock() >= self._again

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Surround the work."""
        start = self._clock()
        yield
        end = self._clock()
        self._again = end + (end - start) * self._pause
