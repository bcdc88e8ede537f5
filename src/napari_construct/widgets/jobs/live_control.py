"""Progress, Cancel and messages of a job that follows sliders."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_construct.widgets.fields.controls import named, plain_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.fields.message_label import Level, MessageLabel
from napari_construct.widgets.jobs.job_progress import JobProgress
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.jobs.run_control import CANCEL_KEY, in_native, shortcut

BAR_AFTER_MS: Final = 1000
"""A job that is over by then shows no bar, so that nothing flickers while a slider moves."""


class LiveControl(QWidget):
    """The strip at the foot of a dock whose job starts by itself.

    The bar and the time left of a run, and Cancel, appear if one job takes longer than a second. What was
    there before stays after Cancel.

    Parameters
    ----------
    title : str
        What napari calls the job.
    cancelled : str
        What is said after Cancel.

    Attributes
    ----------
    job : LiveJob
        The job.
    status : QLabel
        Whether what is on view agrees with the settings.
    """

    cancelled = Signal()
    """The user cancelled, and the job has stopped."""
    returned = Signal(object)
    """The job's result."""
    progressed = Signal(object)
    """Every event of the job."""

    def __init__(self, title: str, parent: QWidget, *, cancelled: str) -> None:
        super().__init__(parent)
        self._title = title
        self._words, self._was_cancelled = cancelled, False
        self.job = LiveJob(title, self)
        self.status = self._build_status()
        self._message = MessageLabel(self)
        self._strip = QWidget(self)
        self._progress = JobProgress(self._strip)
        tip = f"Stop and keep the mask as it is ({in_native(CANCEL_KEY)})"
        self._button = named(QPushButton("Cancel", self._strip), "Cancel", tip)
        self._button.clicked.connect(self.cancel)
        stacked(self._strip, self._progress, self._button)
        stacked(self, self._message, self.status, self._strip)
        shortcut(parent, CANCEL_KEY, self.cancel)
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(BAR_AFTER_MS)
        self._late.timeout.connect(self._strip.show)
        self.job.started.connect(self._on_started)
        self.job.progressed.connect(self._progress.take)
        self.job.progressed.connect(self.progressed)
        self.job.returned.connect(self._progress.complete)
        self.job.returned.connect(self.returned)
        self.job.busyChanged.connect(self._on_busy)
        self._hide_strip()

    def cancel(self, *_: object) -> None:
        """Stop the running job and the requested one."""
        if self.job.is_busy and not self._was_cancelled:
            self._was_cancelled = True
            self._button.setText("Cancelling...")
            self._button.setEnabled(False)
            self._progress.cancelling()
            self.job.cancel()

    def drop(self) -> None:
        """Stop without a word: what the job is for is no longer on view."""
        self._was_cancelled = False
        self.job.cancel()

    def message(self) -> str:
        """The message on view."""
        return self._message.text()

    def showMessage(self, text: str, level: Level = Level.INFO, error: BaseException | None = None) -> None:
        self._message.showMessage(text, level, error)

    def clear(self) -> None:
        """Remove the message."""
        self._message.clear()

    def _build_status(self) -> QLabel:
        label = plain_label(self)
        label.setWordWrap(True)
        label.setAccessibleName("State of the mask")
        label.setToolTip("Whether the mask on view agrees with the settings")
        return label

    def _hide_strip(self) -> None:
        self._late.stop()
        self._progress.end()
        self._strip.hide()
        self._show_cancel()

    def _show_cancel(self) -> None:
        self._button.setText("Cancel")
        self._button.setEnabled(True)

    def _on_started(self) -> None:
        self._was_cancelled = False
        self._show_cancel()
        self._progress.start(self._title)
        if self._strip.isHidden():
            self._late.start()

    def _on_busy(self, busy: bool) -> None:
        if busy:
            return
        self._hide_strip()
        if self._was_cancelled:
            self._was_cancelled = False
            self.status.setText(self._words)
            self.cancelled.emit()
