"""Progress events of a dense CRF."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from napari_construct.events import Event, Steps

Result = TypeVar("Result")

STAGE = "dense CRF"
COMPILING = "compiling"
"""How the stage begins that comes before, once after an installation."""


def counted(steps: Generator[None, None, Result], total: int, done: int = 0) -> Steps[Result]:
    """Count what a generator yields: one event of the stage ``dense CRF`` for each of ``total`` units,
    of which ``done`` are finished already.
    """
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        done += 1
        yield Event(STAGE, done, total)
