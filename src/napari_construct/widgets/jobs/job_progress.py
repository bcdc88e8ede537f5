"""How far a job is: one bar and one time left over all of it, here and in napari's activity dock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QProgressBar, QWidget

from napari_construct.events import Event, Planned, TimeTold
from napari_construct.events.duration import left_in_words
from napari_construct.events.time_left import Costs, TimeLeft
from napari_construct.widgets.fields.controls import plain_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.jobs.activity import STEPS, Activity

_PROGRESS_MS: Final = 100
"""Between two pictures of the bar, each of which Qt paints at once, with napari's whole window around it."""

_CLOCK_MS: Final = 1000
"""Between two pictures of the time left while no event comes."""

_ACTIVITY_AFTER_MS: Final = 1000
"""A job that is over by then needs no bar in napari's activity dock, which costs more than a repaint."""

_ACTIVITY_MS: Final = 250
"""Between two updates of napari's activity dock, each of which repaints the window."""


class JobProgress(QWidget):
    """A bar and a line of text; hidden while no job runs.

    What the stages of a plan cost is remembered from one job to the next.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._activity = Activity()
        self.destroyed.connect(self._activity.close)
        self._present = Event("", 0, 0)
        self._timer = self._build_timer(self._show)
        self._activity_timer = self._build_timer(self._show_activity)
        self._costs: Costs = {}
        self._left = TimeLeft(self._costs)
        self._bar = self._build_bar()
        self._status = self._build_status()
        stacked(self, self._bar, self._status)
        self.hide()

    def start(self, title: str) -> None:
        """A job begins."""
        self._left = TimeLeft(self._costs)
        self._present = Event(title, 0, 0)
        self._bar.setValue(0)
        self._status.setText("Starting...")
        self._timer.start(_CLOCK_MS)
        self._activity_timer.start(_ACTIVITY_AFTER_MS)
        self.show()

    def take(self, event: Event) -> None:
        """The job reports."""
        self._left.update(event)
        if isinstance(event, Planned | TimeTold):
            return
        self._present = event
        if not self._timer.isActive() or self._timer.remainingTime() > _PROGRESS_MS:
            self._timer.start(_PROGRESS_MS)
        if not self._activity_timer.isActive():
            self._activity_timer.start(_ACTIVITY_MS)

    def cancelling(self) -> None:
        """The job was asked to stop."""
        self._timer.stop()
        self._status.setText("Stops after the step at hand")

    def complete(self, *_: object) -> None:
        """The job has returned: what its last stage cost counts, too."""
        self._left.end()

    def end(self) -> None:
        """The job is over."""
        self._timer.stop()
        self._activity_timer.stop()
        self._activity.close()
        self.hide()

    def _build_timer(self, slot: Callable[[], None]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.timeout.connect(slot)
        return timer

    def _build_bar(self) -> QProgressBar:
        bar = QProgressBar(self)
        bar.setRange(0, STEPS)
        bar.setFormat("%p %")
        bar.setToolTip("How much of the whole job is done, by time")
        bar.setAccessibleName("Progress")
        return bar

    def _build_status(self) -> QLabel:
        label = plain_label(self)
        label.setMinimumWidth(40)
        label.setWordWrap(True)
        label.setToolTip("What is being done, and how long the whole job will still take")
        label.setAccessibleName("Status")
        return label

    def _show(self) -> None:
        """Show the last progress that came, and how time goes by."""
        left = self._left.now()
        self._bar.setValue(round(left.share * STEPS))
        if self._present.total > 0:
            self._status.setText(f"{_stage_in_words(self._present)}, {left_in_words(left.seconds)}")
        self._timer.start(_CLOCK_MS)

    def _show_activity(self) -> None:
        """Pass progress on to napari's activity dock."""
        self._activity.show(self._present.stage, round(self._left.now().share * STEPS))


def _stage_in_words(event: Event) -> str:
    text = event.stage[:1].upper() + event.stage[1:]
    return f"{text}, {event.done} of {event.total}" if event.total > 1 else text
