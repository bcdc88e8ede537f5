"""The dock widget Train adapters: patches with image-level labels in, a model out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.events import EpochDone, Event
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.fields.layout import column, fill_dock
from napari_construct.widgets.fields.message_label import Level, plain
from napari_construct.widgets.jobs.ahead import Ahead
from napari_construct.widgets.jobs.run_control import RunControl
from napari_construct.widgets.parts.class_table import ClassTableEditor
from napari_construct.widgets.parts.copy_row import CopyRow
from napari_construct.widgets.parts.hand_over import UseModelButton
from napari_construct.widgets.parts.memory import Memory
from napari_construct.widgets.parts.preferences import preferences
from napari_construct.widgets.train.job import (
    Estimated,
    Trained,
    estimate_in_words,
    estimate_job,
    load_libraries,
    train_job,
    trained_in_words,
)
from napari_construct.widgets.train.options import TrainOptions
from napari_construct.widgets.train.patches import TrainPatches
from napari_construct.widgets.train.progress import EstimateRow, TrainProgress
from napari_construct.widgets.train.recipes import train_as_command, train_as_python
from napari_construct.widgets.train.request import TrainRequest

if TYPE_CHECKING:
    import napari.viewer

_VERBS: Final = {False: "Train", True: "Go on training"}
_STOPPED: Final = "Stopped; where it stood is kept beside the model's file. Press Go on training to go on."


class TrainAdapters(QWidget):
    """Edits one :class:`~napari_construct.training.config.config.TrainingConfig` and trains with it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where *Use this model* opens Segment tissue.
    """

    valueChanged = Signal(object)
    finished = Signal()
    """A model has been trained."""

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._memory = Memory("train adapters")
        self._shown: Path | None = None
        self._patches = TrainPatches(self)
        self._files = self._patches.files
        self._options = TrainOptions(self)
        self._estimate = EstimateRow(self)
        self._progress = TrainProgress(self)
        self._control = RunControl(_VERBS[False], self)
        self._use = UseModelButton(viewer, self)
        self._ahead = Ahead(load_libraries, self)
        self._copy_row = CopyRow(self, "Copy this run as {}: pasted back it gives the same model")
        self._build_layout()
        self._connect()
        self._recall()
        self._refresh()

    def value(self) -> TrainingConfig:
        """The settings on view.

        Raises
        ------
        ConfigurationError
            If they contradict each other; Train is then disabled and says why.
        """
        return self._options.value()

    def setValue(self, value: TrainingConfig) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._options.setValue(value)

    def setData(self, path: str) -> None:
        """Choose the patches: a folder or a table; of a folder with train and val inside, both."""
        self._files.setData(path)

    def setValidation(self, path: str) -> None:
        """Choose the validation data, or none."""
        self._files.setValidation(path)

    def setOutput(self, path: str) -> None:
        """Choose the model's file."""
        self._files.setOutput(path)

    def setReplace(self, replace: bool) -> None:
        """Whether a model of that name may be replaced."""
        self._files.setReplace(replace)

    def setDevice(self, device: str) -> None:
        """Choose where to train."""
        self._options.setDevice(device)

    @property
    def classes(self) -> ClassTableEditor:
        """The class table; its order is that of the values in masks."""
        return self._patches.classes

    @property
    def progress(self) -> TrainProgress:
        """Curves and previews of the run."""
        return self._progress

    @property
    def control(self) -> RunControl:
        """Progress and messages of the run."""
        return self._control

    def request(self) -> TrainRequest:
        """What is asked for.

        Raises
        ------
        ConfigurationError
            If the settings contradict each other.
        """
        table = self._patches.table()
        if table is None:
            raise ConfigurationError(f"expected training patches, got none yet; {self._patches.missing()}")
        return TrainRequest(
            data=Path(self._files.data()),
            classes=table,
            val=Path(self._files.validation()) if self._files.validation() else None,
            output=self._files.output(),
            config=self.value(),
            device=str(self._options.device()),
            resume=self._files.resumes(),
            replace=self._files.replaces(),
        )

    def run(self) -> None:
        """Start, as the button does; nothing happens while something is missing or already running."""
        if self._control.isRunning() or self._control.blockedReason():
            return
        request = self._ready(self.request)
        if request is None:
            return
        self._memory.keep({"config": request.config.model_dump(mode="json"), "device": request.device})
        self._patches.stopLooking()
        self._progress.start(keep=request.resume and request.output == self._shown)
        self._shown = request.output
        self._control.setWords(verb=_VERBS[request.resume], cancelled=_STOPPED)
        self._control.run("Train adapters", partial(train_job, request, self._patches.checked()))

    def estimate(self) -> None:
        """Measure a few steps, as the button does."""
        if self._control.isRunning() or self._patches.missing():
            return
        request = self._ready(self.request)
        if request is not None:
            self._control.setWords(verb=_VERBS[self._files.resumes()], cancelled="Cancelled.")
            self._control.run("Estimate the training", partial(estimate_job, request))

    def cancel(self) -> None:
        """Stop after the step at hand, as the button does; what was reached is kept."""
        self._control.cancel()

    def use(self) -> None:
        """Put the model into Segment tissue, which is opened where it is not open."""
        self._use.use()

    def isRunning(self) -> bool:
        return self._control.isRunning()

    def isLooking(self) -> bool:
        """Whether the patches are being looked at."""
        return self._patches.isLooking()

    def isPreparing(self) -> bool:
        """Whether libraries are being loaded that a run would otherwise wait for."""
        return self._ahead.isActive()

    def message(self) -> str:
        return self._control.message()

    def _ready(self, make: Callable[[], TrainRequest]) -> TrainRequest | None:
        try:
            return make()
        except (ConstructError, ValueError) as error:
            self._control.showMessage(plain(error), Level.ERROR, error)
            return None

    def _build_layout(self) -> None:
        layout = column(self)
        layout.addWidget(self._patches)
        layout.addWidget(self._options)
        layout.addWidget(self._estimate)
        layout.addWidget(self._progress)
        layout.addStretch(1)
        fill_dock(self, layout, self._control, self._use, self._copy_row)

    def _connect(self) -> None:
        self._patches.valueChanged.connect(self._on_changed)
        self._patches.failed.connect(self._on_failed)
        self._options.valueChanged.connect(self._on_changed)
        self._estimate.requested.connect(self.estimate)
        self._use.used.connect(self._on_used)
        self._control.runRequested.connect(self.run)
        self._control.progressed.connect(self._on_progress)
        self._control.returned.connect(self._on_returned)
        self._control.runningChanged.connect(self._on_running)
        self._copy_row.pythonRequested.connect(self._copy_python)
        self._copy_row.commandRequested.connect(self._copy_command)

    def _recall(self) -> None:
        """Take up the settings of the last run."""
        kept = self._memory.load()
        try:
            start = TrainingConfig(cache_gb=preferences().cache_gb)
            self.setValue(start.changed(**kept.get("config", {})))
        except (ConstructError, TypeError):  # of another version
            return
        self._options.setDevice(str(kept.get("device", "auto")))

    def _on_changed(self, *_: object) -> None:
        if not self._patches.missing():
            self._ahead.start()
        self._estimate.showEstimate("")
        self._refresh()
        value = self._options.known()
        if value is not None:
            self.valueChanged.emit(value)

    def _on_failed(self, error: Exception) -> None:
        self._control.showMessage(plain(error), Level.ERROR, error)

    def _on_progress(self, event: Event) -> None:
        self._progress.showProgress(event)
        if isinstance(event, EpochDone):
            self._refresh()

    def _on_returned(self, result: Estimated | Trained) -> None:
        if isinstance(result, Estimated):
            self._estimate.showEstimate(estimate_in_words(result.estimate))
            return
        self._control.summarise(trained_in_words(result))
        self.finished.emit()

    def _on_used(self) -> None:
        self._control.showMessage("The model is in Segment tissue.")

    def _on_running(self, running: bool) -> None:
        self._files.refresh()
        if not running and self._control.message() == _STOPPED and not self._files.resumes():
            self._control.showMessage("Cancelled before the first step; nothing was written.")
        self._refresh()

    def _refresh(self) -> None:
        """Enable Train, or say what is missing."""
        running, missing, error = self._control.isRunning(), self._patches.missing(), self._patches.error()
        if not running:
            self._control.setWords(verb=_VERBS[self._files.resumes()], cancelled=_STOPPED)
        self._use.setModel(self._files.output() if self._files.hasOutput() else None)
        self._estimate.button.setEnabled(not (missing or error or running))
        if error is not None:
            self._control.setBlocked(plain(error), Level.ERROR, error)
        elif missing:
            self._control.setBlocked(missing)
        elif self._patches.problem():
            self._control.setBlocked(self._patches.problem(), Level.ERROR)
        else:
            self._control.setBlocked(self._options.problem() or self._files.problem(), Level.WARNING)

    def _copy_python(self, *_: object) -> None:
        self._copy(train_as_python)

    def _copy_command(self, *_: object) -> None:
        self._copy(train_as_command)

    def _copy(self, recipe: Callable[[TrainRequest], str]) -> None:
        if self._patches.missing() or not self._files.hasOutput() or self._options.problem():
            return
        request = self._ready(self.request)
        if request is not None and self._copy_row.copy(recipe(request)):
            self._control.showMessage("Copied to the clipboard.")
