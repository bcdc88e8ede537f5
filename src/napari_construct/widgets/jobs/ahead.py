"""Imports the libraries of a job ahead of time, in a thread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from qtpy.QtCore import QObject

from napari_construct.events import Event, Steps
from napari_construct.widgets.jobs.workers import Job


class Ahead(QObject):
    """Calls a function once, in a thread, so that a later run does not wait for torch.

    Parameters
    ----------
    load : callable
        The imports. Their errors are ignored; the job that needs them reports them.
    parent : QObject
        The widget.
    """

    def __init__(self, load: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._load = load
        self._job: Job | None = None

    def start(self) -> None:
        """Start; later calls do nothing."""
        if self._job is None:
            self._job = Job("Load the libraries", self._steps, self)
            self._job.start()

    def isActive(self) -> bool:
        return self._job is not None and self._job.is_running

    def _steps(self) -> Steps[None]:
        yield Event("loading the libraries", 0, 1)
        with suppress(Exception):
            self._load()
