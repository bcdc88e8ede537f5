"""Progress events of a dense CRF."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from napari_construct.events import Event, Steps

Result = TypeVar("Result")

STAGE = "dense CRF"
COMPILING = "compiling"
"""How the stage begins that comes before, once after an installation."""


def counted(steps: Generator[bool, None, Result], total: int, done: int = 0) -> Steps[Result]:
    """Count the units that a generator finishes, as events of the stage ``dense CRF``.

    It yields True when one of ``total`` units is done, of which ``done`` are finished already, and False in
    the middle of one, so that it can be cancelled there too.
    """
    while True:
        try:
            finished = next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        done += finished
        yield Event(STAGE, done, total)
