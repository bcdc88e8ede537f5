"""The one door to threads: a job's generator in napari's thread worker.

Four things about napari's and superqt's worker that this door makes good:

* ``GeneratorWorker`` takes every ``RuntimeError`` for a deleted Qt object: it warns, then neither reports
  an error nor finishes, and the button would stay "Cancel" for ever. Torch's out-of-memory and shape errors
  are such errors, and so are two of our own. They leave the generator as :class:`JobError`.
* ``quit()`` stops iterating but leaves the generator suspended, with its ``finally`` blocks waiting for the
  garbage collector. Here it is closed in the worker's thread before ``finished`` is emitted.
* superqt lets go of a worker when ``finished`` reaches the GUI thread, which may be before ``run`` has
  returned in its own: the last reference then ends there, and a QObject of the GUI thread is deleted in
  another thread while events wait for it, which crashes now and then. Workers are kept here until later.
* With PyQt6, napari's relay of errors to its notifications is never connected (the mixin's ``__init__`` comes
  after a C++ class in the method resolution order). Here each error is shown once, whether relayed or not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, Final

from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils.notifications import notification_manager, show_error
from qtpy.QtCore import QObject, Signal

from napari_construct.events import Event
from napari_construct.widgets.fields.message_label import JobError, plain

MakeSteps = Callable[[], Generator[Event, None, Any]]


class Job(QObject):
    """One run of a generator in a thread; every signal arrives in the GUI thread.

    Exactly one of ``returned``, ``failed`` and ``cancelled`` is emitted, then ``finished``.

    Parameters
    ----------
    title : str
        What napari calls the job, for instance when the window is closed while it runs.
    make_steps : callable
        Called in the worker's thread; returns the job's generator.
    parent : QObject, optional
        When it is deleted the job is cancelled.
    """

    progressed = Signal(object)
    returned = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    finished = Signal()

    def __init__(self, title: str, make_steps: MakeSteps, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._task = _Task(title, make_steps)
        self._worker: _Worker | None = None
        self._settled = False

    @property
    def is_running(self) -> bool:
        return self._worker is not None

    @property
    def is_cancelling(self) -> bool:
        return self._worker is not None and self._worker.abort_requested

    def start(self) -> None:
        """Queue the job; progress and outcome come as signals."""
        worker = create_worker(
            self._task,
            _worker_class=_Worker,
            _start_thread=False,
            # we report errors ourselves; re-raising in the GUI thread would report them twice
            _ignore_errors=True,
        )
        worker.yielded.connect(self._on_yielded)
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_errored)
        worker.finished.connect(self._on_finished)
        self.destroyed.connect(worker.quit)
        self._worker = worker
        _keep(worker)
        worker.start()

    def cancel(self) -> None:
        """Ask the job to stop between two of its events."""
        if self._worker is not None:
            self._worker.quit()

    def _on_yielded(self, event: Event) -> None:
        if not self.is_cancelling:
            self.progressed.emit(event)

    def _on_returned(self, result: Any) -> None:
        self._settled = True
        self.returned.emit(result)

    def _on_errored(self, error: Exception) -> None:
        self._settled = True
        if not self.is_cancelling:  # of a job that is no longer wanted the place it was started from tells
            notify(error)
        self.failed.emit(error)

    def _on_finished(self) -> None:
        self._worker = None
        # also where the last step finished between Cancel and its effect: superqt then emits neither
        # returned nor aborted
        if not self._settled:
            self.cancelled.emit()
        self.finished.emit()


def notify(error: Exception) -> None:
    """Show an error among napari's notifications unless napari's own relay has just done so."""
    if not any(getattr(note, "exception", None) is error for note in notification_manager.records[-10:]):
        show_error(plain(error))


def guarded(make_steps: MakeSteps) -> Generator[Event, None, Any]:
    """Make a generator and follow it; no ``RuntimeError`` gets out.

    Raises
    ------
    JobError
        In place of any RuntimeError, which is its cause.
    """
    try:
        return (yield from make_steps())
    except RuntimeError as error:
        raise JobError(plain(error)) from error


class _Task:
    """Names the work where napari shows ``str(function)``."""

    def __init__(self, title: str, make_steps: MakeSteps) -> None:
        self.title = title
        self.make_steps = make_steps

    def __str__(self) -> str:
        return self.title


class _Worker(GeneratorWorker):
    def __init__(self, task: _Task) -> None:
        steps = guarded(task.make_steps)
        # superqt wants a generator function; a lambda stays one where tests wrap functions to check types
        super().__init__(lambda: (yield from steps))
        self._steps = steps

        self.ended: float | None = None

    def run(self) -> None:
        super().run()
        self.ended = time.monotonic()

    def work(self) -> Any:
        try:
            return super().work()
        finally:
            self._steps.close()


_KEPT: Final[list[_Worker]] = []
_KEPT_SECONDS: Final = 2.0


def _keep(worker: _Worker) -> None:
    """Hold a worker until its thread has long left it; called in the GUI thread, where others are let go."""
    now = time.monotonic()
    _KEPT[:] = [other for other in _KEPT if other.ended is None or now - other.ended < _KEPT_SECONDS]
    _KEPT.append(worker)
