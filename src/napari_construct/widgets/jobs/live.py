"""A job that is requested again and again while a slider moves; only the latest request counts."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QObject, QTimer, Signal

from napari_construct.widgets.jobs.workers import Job, MakeSteps

PAUSE_MS: Final = 40
"""Milliseconds without a request before the job starts."""


class LiveJob(QObject):
    """Runs the latest requested job; earlier ones are cancelled between two of their steps.

    ``progressed``, ``returned`` and ``failed`` come only from a job that is neither replaced nor cancelled.
    """

    started = Signal()
    progressed = Signal(object)
    returned = Signal(object)
    failed = Signal(object)
    busyChanged = Signal(bool)

    def __init__(self, title: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self._wish: MakeSteps | None = None
        self._job: Job | None = None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self._start)

    @property
    def is_busy(self) -> bool:
        return self._wish is not None or self._job is not None

    def request(self, make_steps: MakeSteps, *, now: bool = False) -> None:
        """Run this job soon, or at once, in place of the running one."""
        was = self.is_busy
        self._wish = make_steps
        if self._job is not None:
            self._job.cancel()
        if now:
            self._start()
        else:
            self._pause.start()
        if not was:
            self.busyChanged.emit(True)

    def cancel(self) -> None:
        """Cancel the running job and the requested one."""
        self._pause.stop()
        self._wish = None
        if self._job is not None:
            self._job.cancel()
        else:
            self.busyChanged.emit(False)

    def _start(self) -> None:
        if self._job is not None or self._wish is None:
            return  # the end of the running job starts the next
        wish, self._wish = self._wish, None
        self._job = job = Job(self._title, wish, self)
        job.progressed.connect(self.progressed)
        job.returned.connect(self._on_returned)
        job.failed.connect(self._on_failed)
        job.finished.connect(self._on_finished)
        job.start()
        self.started.emit()

    def _counts(self) -> bool:
        """Whether a result that arrives is still wanted; it may have been sent before a new request."""
        return self._wish is None and self._job is not None and not self._job.is_cancelling

    def _on_returned(self, result: object) -> None:
        if self._counts():
            self.returned.emit(result)

    def _on_failed(self, error: Exception) -> None:
        if self._counts():
            self.failed.emit(error)

    def _on_finished(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.deleteLater()
        if self._wish is None:
            self.busyChanged.emit(False)
        elif not self._pause.isActive():
            self._start()
