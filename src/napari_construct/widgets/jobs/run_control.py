"""Run, Cancel, progress and messages: the same strip at the foot of every dock widget."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QShortcut, QWidget

from napari_construct.events import Doubt, Event, Notice, Notices
from napari_construct.widgets.fields.controls import named, plain_tip
from napari_construct.widgets.fields.in_window import as_sentence, in_window, without_name
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.fields.message_label import Level, MessageLabel, plain
from napari_construct.widgets.fields.named_button import NamedButton
from napari_construct.widgets.fields.typing import finish_typing
from napari_construct.widgets.jobs.job_progress import JobProgress
from napari_construct.widgets.jobs.workers import Job, MakeSteps

_NOTICES_SHOWN: Final = 4


class RunControl(QWidget):
    """Run -> Cancel -> Cancelling..., with one bar and one time left over the whole job.

    A job that can be ended early and keep what it has shows a second button beside Cancel (:meth:`offerEnd`).

    Parameters
    ----------
    verb : str
        What the button says while idle.
    cancelled : str
        What is said of a cancelled job.
    """

    runRequested = Signal()
    returned = Signal(object)
    """The job's result."""
    cancelled = Signal()
    """The job was cancelled, and another one may be run."""
    runningChanged = Signal(bool)
    progressed = Signal(object)
    """Every event of the job."""

    def __init__(
        self,
        verb: str = "Run",
        parent: QWidget | None = None,
        *,
        cancelled: str = "Cancelled; nothing was added.",
    ) -> None:
        super().__init__(parent)
        self._verb = verb
        self._cancelled, self._was_cancelled = cancelled, False
        self._reason = ""
        self._job: Job | None = None
        self._notices = Notices()
        self._acts = "", ""
        self._end: Callable[[], object] | None = None
        self._button = self._build_button()
        self._end_button = self._build_end_button()
        self._progress = JobProgress(self)
        self._blocked = MessageLabel(self)
        self._message = MessageLabel(self)
        self._parts = stacked(self, self._message, self._blocked, self._progress, self._buttons())
        if parent is not None:  # keys count while anything in the dock has the focus
            shortcut(parent, RUN_KEY, self._on_run_key)
            shortcut(parent, CANCEL_KEY, self.cancel)
        self._refresh()

    def addBelowMessage(self, widget: QWidget) -> None:
        """Show a widget of the dock under the message of a run."""
        self._parts.insertWidget(1, widget)

    def isRunning(self) -> bool:
        return self._job is not None

    def message(self) -> str:
        """The message on view: of the last run, else why it cannot run."""
        return self._message.text() or self._blocked.text()

    def blockedReason(self) -> str:
        return self._reason

    def setBlocked(self, reason: str, level: Level = Level.INFO, error: BaseException | None = None) -> None:
        """Disable Run and say why; an empty reason enables it."""
        self._reason = reason = in_window(reason)
        self._blocked.showMessage(reason, level, error)
        self._refresh()

    def showMessage(self, text: str, level: Level = Level.INFO, error: BaseException | None = None) -> None:
        self._message.showMessage(text, level, error)

    def setWords(self, *, verb: str, cancelled: str) -> None:
        """What the button says while idle, and what is said of a job that is cancelled from now on."""
        self._verb, self._cancelled = verb, cancelled
        self._refresh()

    def setAction(self, words: str, name: str = "") -> None:
        """What the button says while idle beside its verb: all words, and the name of what is acted on.

        Its accessible name stays the verb; the rest is its description.
        """
        self._acts = words, name
        self._refresh()

    def run(self, title: str, make_steps: MakeSteps) -> None:
        """Start a job; nothing happens while another one runs."""
        if self._job is not None:
            return
        self._notices = Notices()
        self._end = None
        self._message.clear()
        self._progress.start(title)
        self._job = job = Job(title, make_steps, self)
        job.progressed.connect(self._on_progress)
        job.progressed.connect(self.progressed)
        job.returned.connect(self._progress.complete)
        job.returned.connect(self.returned)
        job.failed.connect(self._on_failed)
        job.cancelled.connect(self._on_cancelled)
        job.finished.connect(self._on_finished)
        job.start()
        self._refresh()
        self.runningChanged.emit(True)

    def cancel(self) -> None:
        """Ask the running job to stop; the button says so until it has."""
        if self._job is not None:
            self._job.cancel()
            self._progress.cancelling()
            self._refresh()

    def offerEnd(self, text: str, tip: str, end: Callable[[], object]) -> None:
        """Show a button, until the job is over, that asks it to end early and keep what it has."""
        if self._end is not None or self._job is None:
            return
        self._end = end
        self._end_button.setText(text)
        self._end_button.setToolTip(plain_tip(tip))
        self._end_button.setAccessibleName(text)
        self._end_button.setAccessibleDescription(tip)
        self._end_button.setEnabled(True)
        self._refresh()

    def summarise(self, text: str, notices: Iterable[str] = (), *, name: str = "") -> None:
        """Say how the run ended, then what the user should know of it, each notice once.

        ``name`` is the image's where ``text`` says it: notices then do not repeat it.
        """
        said = [_without(name, notice) for notice in (*notices, *self._notices.texts())]
        said = sorted(dict.fromkeys(said), key=lambda notice: not isinstance(notice, Doubt))
        if len(said) > _NOTICES_SHOWN:
            more = len(said) - _NOTICES_SHOWN
            said = [*said[:_NOTICES_SHOWN], f"... and {more} more notice{'s' if more > 1 else ''}"]
        self._message.showResult(text, said)

    def forget(self) -> None:
        """Take back what was said of a run that is not what is chosen now."""
        if self._job is None:
            self._message.clear()

    def _build_button(self) -> NamedButton:
        button = NamedButton(self)
        button.clicked.connect(self._on_clicked)
        return button

    def _build_end_button(self) -> QPushButton:
        button = named(QPushButton(self), "End early", "End the job and keep what it has")
        button.clicked.connect(self._on_end)
        button.hide()
        return button

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(self._button)
        row.addWidget(self._end_button)
        return row

    def _refresh(self) -> None:
        """Bring button and bar in line with the state."""
        running = self._job is not None
        cancelling = self._job is not None and self._job.is_cancelling
        if cancelling:
            text, tip = "Cancelling...", "Stops after the step at hand"
        elif running:
            text, tip = "Cancel", f"Stop after the step at hand ({in_native(CANCEL_KEY)})"
        else:
            text = self._verb
            tip = self._reason or f"Start; napari stays usable meanwhile ({in_native(RUN_KEY)})"
        words, name = ("", "") if running else self._acts
        self._button.showWords(words or text, name)
        if words:
            tip = f"{self._button.whole()}. {tip}"
        self._button.setToolTip(plain_tip(tip))
        self._button.setAccessibleName(text)
        self._button.setAccessibleDescription(tip)
        self._button.setEnabled((running and not cancelling) or (not running and not self._reason))
        self._end_button.setVisible(self._end is not None and running and not cancelling)
        self._blocked.setVisible(bool(self._reason) and not running)

    def _on_run_key(self) -> None:
        finish_typing()
        if self._job is None and not self._reason:
            self.runRequested.emit()

    def _on_clicked(self, *_: object) -> None:
        if self._job is None:
            finish_typing()
            self.runRequested.emit()
        else:
            self.cancel()

    def _on_end(self, *_: object) -> None:
        if self._end is not None:
            self._end_button.setEnabled(False)
            self._end()

    def _on_progress(self, event: Event) -> None:
        if isinstance(event, Notice):
            self._notices.add(event)
            return
        if self._job is not None and not self._job.is_cancelling:
            self._progress.take(event)

    def _on_failed(self, error: Exception) -> None:
        self._message.showMessage(plain(error), Level.ERROR, error)

    def _on_cancelled(self) -> None:
        self._message.showMessage(self._cancelled, Level.INFO)
        self._was_cancelled = True

    def _on_finished(self) -> None:
        job, self._job = self._job, None
        self._end = None
        self._progress.end()
        if job is not None:
            job.deleteLater()
        self._refresh()
        self.runningChanged.emit(False)
        if self._was_cancelled:
            self._was_cancelled = False
            self.cancelled.emit()


def _without(name: str, notice: str) -> str:
    """A notice without the name of its image in front of it."""
    sentence = without_name(notice, name) if name else notice
    if sentence == notice:
        return notice
    sentence = as_sentence(sentence)
    return Doubt(sentence) if isinstance(notice, Doubt) else sentence


RUN_KEY: Final = "Ctrl+Return"
CANCEL_KEY: Final = "Ctrl+Backspace"
BEFORE_KEY: Final = "Alt+B"


def shortcut(widget: QWidget, key: str, slot: Callable[..., object]) -> None:
    """Call a slot when a key is pressed in a widget or in anything inside it."""
    made = QShortcut(QKeySequence(key), widget)
    made.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    made.activated.connect(slot)


def in_native(key: str) -> str:
    """A key as this system writes it."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
