"""What every dock widget with a job shares: layout, Run and Cancel, messages, layers, the run as text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLayout, QWidget

from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConstructError
from napari_construct.widgets.fields.drops import Drops
from napari_construct.widgets.fields.layout import fill_dock
from napari_construct.widgets.fields.message_label import Level, Problem, plain
from napari_construct.widgets.jobs.run_control import RunControl
from napari_construct.widgets.layers.adding import LayerAdder
from napari_construct.widgets.parts.class_colours import dress
from napari_construct.widgets.parts.copy_row import TIP, CopyRow, Recipe
from napari_construct.widgets.parts.next_steps import NextSteps
from napari_construct.widgets.parts.tabs import TabbedDock

if TYPE_CHECKING:
    import napari.viewer

NO_IMAGE: Final = Problem("Open an H&E image first, for example File > Open Sample > napari-construct.")
NO_CHANNEL: Final = Problem("Open an image of fluorescence first; this model finds cells in one channel.")

Request = TypeVar("Request")
"""What Run asks for: a frozen object that a thread may hold."""
Result = TypeVar("Result")
"""What the dock's jobs return."""
Asked = TypeVar("Asked")
Made = TypeVar("Made")


class JobDock(TabbedDock, Generic[Request, Result]):
    """A dock widget whose Run starts a job in a thread.

    A dock overrides what its run is made of (:meth:`request`, :meth:`launch`), what is missing
    (:meth:`problem`), what becomes of events and results (``_on_event``, ``_on_result``), and how its run is
    written as text (:meth:`text`). A job is a function of one frozen request. It never holds the widget:
    Python would free it in the job's thread.

    Parameters
    ----------
    viewer : napari.viewer.Viewer or None
        Where layers are added; None for docks that add none.

    Attributes
    ----------
    control : RunControl
        Run, Cancel, progress and messages.
    verb, cancelled, recipes, copy_tip
        What the button says, what is said of a cancelled run, the run as Python and as a command, and what
        the buttons that copy it say.
    """

    verb: ClassVar[str] = "Run"
    cancelled: ClassVar[str] = "Cancelled; nothing was added."
    recipes: ClassVar[tuple[Recipe, Recipe]]
    copy_tip: ClassVar[str] = TIP

    valueChanged = Signal(object)
    finished = Signal()
    """A job is over and its layers have been added."""

    def __init__(self, viewer: napari.viewer.Viewer | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer: Any = viewer
        self.control = RunControl(self.verb, self, cancelled=self.cancelled)
        self._copy_row = CopyRow(self, self.copy_tip)
        self._adder = LayerAdder(viewer, self, style=dress)
        # bound methods only: a connection that holds this widget strongly makes Python free it while Qt is
        # still destroying it, which ends in a crash
        self.control.runRequested.connect(self.run)
        self.control.progressed.connect(self._on_event)
        self.control.returned.connect(self._on_result)
        self.control.runningChanged.connect(self._on_running)
        self.control.runningChanged.connect(self.busyChanged)
        self.closed.connect(self.control.cancel)
        self._adder.finished.connect(self.finished)
        self._copy_row.pythonRequested.connect(self._copy_python)
        self._copy_row.commandRequested.connect(self._copy_command)

    def run(self) -> None:
        """Start, as the button does; nothing happens while something is missing or a job runs."""
        if not self.control.isRunning() and not self.control.blockedReason():
            request = self.made(self.request)
            if request is not None:
                self.launch(request)

    def cancel(self) -> None:
        """Stop after the step at hand, as the button does."""
        self.control.cancel()

    def isRunning(self) -> bool:
        """Whether a job runs or its layers are still being added."""
        return self.control.isRunning() or self._adder.isActive()

    def message(self) -> str:
        """The message on view."""
        return self.control.message()

    def request(self) -> Request | None:
        """What Run asks for; None where the message says what is missing.

        Raises
        ------
        ConstructError, ValueError
            If the values on view contradict each other.
        """
        raise NotImplementedError

    def launch(self, request: Request) -> None:
        """Start the job of Run, with :meth:`start`."""
        raise NotImplementedError

    def problem(self) -> Problem:
        """Why Run is disabled, if it is."""
        raise NotImplementedError

    def text(self, recipe: Recipe) -> str:
        """The run as text; empty where it cannot run, or the message says why there is none."""
        request = None if self.control.blockedReason() else self.request()
        return "" if request is None else recipe(request)

    def takeDropped(self, paths: list[Path]) -> str:
        """Take files and folders that were dropped on the dock; why not all of them, or nothing."""
        raise NotImplementedError

    def sayDropped(self, text: str) -> None:
        """Show why something that was dropped is not taken."""
        self.control.showMessage(text, Level.WARNING)

    def start(self, title: str, job: Callable[[Asked], Steps[Result]], request: Asked) -> None:
        """Run a job in a thread; nothing happens while another one runs."""
        self.control.run(title, partial(job, request))

    def made(self, make: Callable[[], Made]) -> Made | None:
        """What ``make`` returns; None where it fails, and the message says why."""
        try:
            return make()
        except (ConstructError, ValueError) as error:
            self._on_failed(error)
            return None

    def _lay_out(
        self,
        *parts: QWidget | QLayout,
        above: tuple[QWidget, ...] = (),
        below: tuple[QWidget, ...] = (),
        grows: QWidget | None = None,
    ) -> None:
        """Put the parts into a column that scrolls; Run, what is around it and the copy row stay in view."""
        fill_dock(self, parts, (*above, self.control, *below, self._copy_row), grows=grows)
        self._drops = Drops(self, "takeDropped", "sayDropped")

    def _offer(self, steps: NextSteps) -> None:
        """Show what may follow a result under its message; a job that begins ends the offer."""
        self.control.addBelowMessage(steps)
        self.control.runningChanged.connect(steps.setRunning)

    def _refresh(self, *_: object) -> None:
        """Enable Run, or say what is missing."""
        problem = self.problem()
        self.control.setBlocked(problem.text, problem.level, problem.error)

    def _on_event(self, event: Event) -> None:
        """A job reports; its progress is on view already."""

    def _on_result(self, result: Result) -> None:
        """A job returned."""
        raise NotImplementedError

    def _on_running(self, running: bool) -> None:
        """A job began, or is over."""

    def _on_failed(self, error: Exception) -> None:
        """Show an error in the dock's own message."""
        self.control.showMessage(plain(error), Level.ERROR, error)

    def _copy_python(self) -> None:
        self._copy(self.recipes[0])

    def _copy_command(self) -> None:
        self._copy(self.recipes[1])

    def _copy(self, recipe: Recipe) -> None:
        self._copy_row.copy(partial(self.text, recipe), self.control.showMessage)
