"""What the docks share that train a model: settings, start, estimate, progress, and what becomes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from qtpy.QtWidgets import QWidget

from napari_construct.events import EpochDone, Event, StepDone, Steps
from napari_construct.settings import Settings
from napari_construct.widgets.jobs.ahead import Ahead
from napari_construct.widgets.parts.dock import JobDock
from napari_construct.widgets.parts.hand_over import UseModelButton
from napari_construct.widgets.parts.known_models import remember_model
from napari_construct.widgets.parts.next_steps import NextSteps
from napari_construct.widgets.parts.options import DeviceForm
from napari_construct.widgets.runs.memory import RunMemory
from napari_construct.widgets.runs.model_file import ModelFile
from napari_construct.widgets.runs.progress import Curves, EstimateRow, RunProgress
from napari_construct.widgets.runs.results import Estimated, RunDone, RunRequest

if TYPE_CHECKING:
    import napari.viewer

Config = TypeVar("Config", bound=Settings)
Asked = TypeVar("Asked", bound=RunRequest)
Done = TypeVar("Done", bound=RunDone)


class RunDock(JobDock[Asked, Any], Generic[Config, Asked, Done]):
    """A dock that trains a model; a run that was stopped goes on.

    A dock makes its options, the model's file and its memory (``_options``, ``_file``, ``_memory``), and
    says when a run can be measured (:meth:`isReady`).

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where *Use this model* opens Segment.
    of : str
        What an estimate says.
    curves : Curves
        What is drawn of a run.
    load_libraries : callable
        Imports what a run needs, in a thread.

    Attributes
    ----------
    progress : RunProgress
        Curves and pictures of the run.
    titles, jobs
        Names of the run and of its estimate, and their jobs; the run's is asked after every step whether to
        stop.
    stopped, nothing, keep_tip
        What is said of a run that was stopped, of one without a step, and of the button that ends it early.
    """

    copy_tip = "Copy this run as {}: pasted back it gives the same model"
    titles: ClassVar[tuple[str, str]]
    jobs: ClassVar[tuple[Callable[..., Steps[Any]], Callable[[Any], Steps[Estimated]]]]
    stopped: ClassVar[str]
    nothing: ClassVar[str]
    keep_tip: ClassVar[str]

    _options: DeviceForm[Config]
    _file: ModelFile
    _memory: RunMemory[Config]

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        of: str,
        curves: Curves,
        load_libraries: Callable[[], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(viewer, parent)
        self._shown: Path | None = None
        self._stop = threading.Event()
        self._estimate = EstimateRow(of, self)
        self.progress = RunProgress(curves, self)
        self._use = UseModelButton(viewer, self)
        self._ahead = Ahead(load_libraries, self)
        self._next = NextSteps(viewer, self)

    def value(self) -> Config:
        """The settings on view.

        Raises
        ------
        ConfigurationError
            If they contradict each other; the run is then disabled and says why.
        """
        return self._options.value()

    def setValue(self, value: Config) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._options.setValue(value)

    def setOutput(self, path: str) -> None:
        """Choose the model's file."""
        self._file.row.setValue(path)

    def setReplace(self, replace: bool) -> None:
        """Whether a model of that name may be replaced."""
        self._file.setReplace(replace)

    def setDevice(self, device: str) -> None:
        """Choose where to train."""
        self._options.setDevice(device)

    def isReady(self) -> bool:
        """Whether a few steps could be measured now."""
        raise NotImplementedError

    def isPreparing(self) -> bool:
        """Whether libraries are being loaded that a run would otherwise wait for."""
        return self._ahead.isActive()

    def launch(self, request: Asked) -> None:
        self._begin(request)
        self.progress.start(keep=request.resume and request.output == self._shown)
        self._shown = request.output
        self._stop = threading.Event()
        self._start_as(self.stopped, self.titles[0], partial(self.jobs[0], stop=self._stop.is_set), request)

    def estimate(self) -> None:
        """Measure a few steps, as the button does."""
        request = self.made(self.request) if self.isReady() else None
        if request is not None:
            self._start_as("Cancelled.", self.titles[1], self.jobs[1], request)

    def use(self) -> None:
        """Choose the model in Segment, which opens if it is not open."""
        self._use.use()

    def _begin(self, request: Asked) -> None:
        """A run begins."""
        raise NotImplementedError

    def _verb(self) -> str:
        """What the button says."""
        raise NotImplementedError

    def _on_done(self, done: Done) -> None:
        """A run is over, and was summed up."""
        raise NotImplementedError

    def _start_as(self, cancelled: str, title: str, job: Callable[[Any], Steps[Any]], request: Any) -> None:
        """Start a job; ``cancelled`` is said of it where it is."""
        self.control.setWords(verb=self._verb(), cancelled=cancelled)
        self.start(title, job, request)

    def _follow_run(self) -> None:
        """Connect what every run has; the dock's own parts are there."""
        self._options.valueChanged.connect(self._on_changed)
        self._estimate.requested.connect(self.estimate)
        self._use.used.connect(self._on_used)

    def _recall(self) -> None:
        """Restore what the user prefers."""
        config = self._memory.config()
        if config is not None:
            self.setValue(config)
            self.setDevice(self._memory.device())

    def _on_changed(self, *_: object) -> None:
        self._estimate.showEstimate("")
        self._refresh()
        value = self._options.known()
        if value is not None:
            self.valueChanged.emit(value)

    def _on_event(self, event: Event) -> None:
        self.progress.showProgress(event)
        if isinstance(event, StepDone):
            self.control.offerEnd("Stop here and keep it", self.keep_tip, self._stop.set)
        elif isinstance(event, EpochDone):
            self._refresh()

    def _on_result(self, result: Any) -> None:
        if isinstance(result, Estimated):
            self._estimate.showEstimate(result.words)
            return
        remember_model(result.output)
        self.control.summarise(result.in_words())
        self._on_done(result)
        self.finished.emit()

    def _on_used(self) -> None:
        self.control.showMessage("The model is in Segment.")

    def _on_running(self, running: bool) -> None:
        self._file.refresh()
        if not running and self.control.message() == self.stopped and not self._file.resumes():
            self.control.showMessage(self.nothing)
        self._refresh()

    def _refresh(self, *_: object) -> None:
        if not self.control.isRunning():
            self.control.setWords(verb=self._verb(), cancelled=self.stopped)
        self._use.setModel(self._file.output() if self._file.hasOutput() else None)
        self._estimate.button.setEnabled(self.isReady())
        super()._refresh()
