"""Imports what a job will need, in the background, as soon as it is known that it will be wanted.

Within the job an import would share the interpreter with bars, docks and curves that are drawn at the same
time: the first run stalled for 50 to 300 ms, later ones for 30.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from qtpy.QtCore import QObject

from napari_construct.events import Event, Steps
from napari_construct.widgets.jobs.collection import collect_when_quiet
from napari_construct.widgets.jobs.workers import Job


class Ahead(QObject):
    """Calls a function in a thread, once.

    Parameters
    ----------
    load : callable
        What it cannot import is left to the error of the job that needs it.
    parent : QObject
        The widget.
    """

    def __init__(self, load: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._job = Job("Load the libraries", partial(_steps, load), self)
        self._started = False

    def start(self) -> None:
        """Begin, the first time."""
        if not self._started:
            self._started = True
            collect_when_quiet(anyway=True)
            self._job.start()

    def isActive(self) -> bool:
        return self._job.is_running


def _steps(load: Callable[[], None]) -> Steps[None]:
    yield Event("loading the libraries", 0, 1)
    with suppress(Exception):
        load()
