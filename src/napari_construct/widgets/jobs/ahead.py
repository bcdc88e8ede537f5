"""Imports what a job will need in a thread, as soon as it is known that the job will be wanted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from qtpy.QtCore import QObject

from napari_construct.events import Event, Steps
from napari_construct.widgets.jobs.workers import Job


class Ahead(QObject):
    """Calls a function in a thread, once: a run that comes later does not wait for torch.

    Parameters
    ----------
    load : callable
        What it cannot import is left to the error of the job that needs it.
    parent : QObject
        The widget.
    """

    def __init__(self, load: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._load = load
        self._job: Job | None = None

    def start(self) -> None:
        """Begin, the first time."""
        if self._job is None:
            self._job = Job("Load the libraries", self._steps, self)
            self._job.start()

    def isActive(self) -> bool:
        return self._job is not None and self._job.is_running

    def _steps(self) -> Steps[None]:
        yield Event("loading the libraries", 0, 1)
        with suppress(Exception):
            self._load()
