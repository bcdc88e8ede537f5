"""The dock widget Train a model: patches with image-level labels in, a model out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtWidgets import QWidget

from napari_construct.data.masks import holds_masks
from napari_construct.events import EpochDone, Event, StepDone
from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.places import is_folder
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.fields.controls import button
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.layout import fold, form
from napari_construct.widgets.fields.message_label import Level, Problem, problem_of
from napari_construct.widgets.jobs.ahead import Ahead
from napari_construct.widgets.parts.dock import JobDock
from napari_construct.widgets.parts.hand_over import UseModelButton, to_evaluate
from napari_construct.widgets.parts.known_models import remember_model
from napari_construct.widgets.parts.next_steps import NextSteps
from napari_construct.widgets.runs.progress import EstimateRow, RunProgress
from napari_construct.widgets.train.curves import CURVES
from napari_construct.widgets.train.job import (
    Estimated,
    Trained,
    estimate_in_words,
    estimate_job,
    load_libraries,
    trained_in_words,
)
from napari_construct.widgets.train.kept import TrainMemory
from napari_construct.widgets.train.options import TrainOptions
from napari_construct.widgets.train.order_after import OrderAfter, reorder_job, train_steps_with_order
from napari_construct.widgets.train.patches import TrainPatches
from napari_construct.widgets.train.pixel_size import PatchSizeRow
from napari_construct.widgets.train.recipes import train_as_command, train_as_python
from napari_construct.widgets.train.request import TrainRequest
from napari_construct.widgets.train.settings_of_data import SettingsOfData

if TYPE_CHECKING:
    import napari.viewer

_VERBS: Final = {False: "Train", True: "Go on training"}
_TABLES: Final = (".csv", ".tsv", ".txt")
_STOPPED: Final = (
    "Stopped; the state of the run is kept beside the model's file. Press Go on training to go on."
)

_KEEP_TIP: Final = (
    "Take no more steps and finish the model as it is now: it is averaged, scored and calibrated like "
    "that of a whole run"
)


class TrainAdapters(JobDock[TrainRequest, Estimated | Trained]):
    """Edits one :class:`~napari_construct.training.config.config.TrainingConfig` and trains with it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where *Use this model* opens Segment.

    Attributes
    ----------
    classes : ClassTableEditor
        The class table; its order is that of the values in masks.
    progress : RunProgress
        Curves and previews of the run.
    """

    verb = _VERBS[False]
    recipes = train_as_python, train_as_command
    copy_tip = "Copy this run as {}: pasted back it gives the same model"

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self._memory = TrainMemory()
        self._shown: Path | None = None
        self._stop = threading.Event()
        self._patches = TrainPatches(self)
        self._files = self._patches.files
        self.classes = self._patches.classes
        self._options = TrainOptions(self)
        self._question = PatchSizeRow(self)
        self._of_data = SettingsOfData(self._options, self._patches, self._question, self)
        self._estimate = EstimateRow("time and memory", self)
        self.progress = RunProgress(CURVES, self)
        self._use = UseModelButton(viewer, self)
        self._order = OrderAfter(self)
        self._ahead = Ahead(load_libraries, self)
        self._next = NextSteps(viewer, self)
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

    def takeDropped(self, paths: list[Path]) -> str:
        """A folder or a table becomes the patches, a folder of images with masks the validation data."""
        path = paths[0]
        if len(paths) > 1 or not (is_folder(path) or path.suffix.lower() in _TABLES):
            return refused(paths, "one folder of patches, or one table (CSV)")
        (self.setValidation if holds_masks(path) else self.setData)(str(path))
        return ""

    def setDevice(self, device: str) -> None:
        """Choose where to train."""
        self._options.setDevice(device)

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
            checked=self._patches.checked(),
        )

    def launch(self, request: TrainRequest) -> None:
        self._memory.keep(request)
        self._patches.stopLooking()
        self._of_data.begin(request.output)
        self.progress.start(keep=request.resume and request.output == self._shown)
        self._shown = request.output
        self._order.begin(request)
        self.control.setWords(verb=_VERBS[request.resume], cancelled=_STOPPED)
        self._stop = threading.Event()
        self.start("Train a model", partial(train_steps_with_order, stop=self._stop.is_set), request)

    def estimate(self) -> None:
        """Measure a few steps, as the button does."""
        if self.control.isRunning() or self._patches.missing():
            return
        request = self.made(self.request)
        if request is not None:
            self.control.setWords(verb=_VERBS[self._files.resumes()], cancelled="Cancelled.")
            self.start("Estimate the training", estimate_job, request)

    def use(self) -> None:
        """Choose the model in Segment, which opens if it is not open."""
        self._use.use()

    def isLooking(self) -> bool:
        """Whether the patches are being looked at."""
        return self._patches.isLooking()

    def isPreparing(self) -> bool:
        """Whether libraries are being loaded that a run would otherwise wait for."""
        return self._ahead.isActive()

    def problem(self) -> Problem:
        error = self._patches.error()
        if error is not None:
            return problem_of(error)
        if missing := self._patches.missing():
            return Problem(missing)
        if said := self._patches.problem():
            return Problem(said, Level.ERROR)
        if said := self._options.problem():
            return Problem(said, Level.WARNING)
        return Problem(self._files.problem())

    def text(self, recipe: Callable[[TrainRequest], str]) -> str:
        if self._patches.missing() or not self._files.hasOutput() or self._options.problem():
            return ""
        return recipe(self.request())

    def _build_layout(self) -> None:
        usual = form()
        for key in ("epochs", "patch_mpp"):
            self._options.moveRow(key, usual)
        tip = "Device, encoder, batch size and all other settings"
        options = fold("Options", tip, self._options, self)
        parts = (self._patches, self._question, usual, options, self._estimate, self.progress)
        self._lay_out(*parts, below=(self._order, self._use))
        tip = "Score the model on images with masks"
        self._next.addLine("Next:", button("Evaluate...", tip, self._on_evaluate, self))
        self._offer(self._next)

    def _connect(self) -> None:
        self._patches.valueChanged.connect(self._on_changed)
        self._patches.failed.connect(self._on_failed)
        self._files.replaced.connect(self._on_replaced)
        self._order.used.connect(self.readInOrder)
        self._options.valueChanged.connect(self._on_changed)
        self._estimate.requested.connect(self.estimate)
        self._use.used.connect(self._on_used)

    def _recall(self) -> None:
        """Restore what the user prefers, and where the last run lies if it was stopped."""
        config = self._memory.config()
        if config is not None:
            self.setValue(config)
            self._options.setDevice(self._memory.device())
        if run := self._memory.stopped():
            self._files.recall(*run)

    def _on_replaced(self, *_: object) -> None:
        """Other patches: what is said of a run on those before goes."""
        if not self.control.isRunning():
            self.control.forget()
            self._next.clear()
            self._order.clear()
            self.progress.clear()
            self._shown = None

    def readInOrder(self) -> None:
        """Score the trained model with the masks in the order that fits; nothing is trained."""
        request = self._order.proposed()
        if request is not None and not self.control.isRunning():
            self.control.setWords(verb=_VERBS[False], cancelled="Cancelled; the scores are as before.")
            self._order.follow()
            self.start("Read the masks in another order", reorder_job, request)

    def _on_changed(self, *_: object) -> None:
        if not self._patches.missing():
            self._ahead.start()
        self._estimate.showEstimate("")
        self._refresh()
        value = self._options.known()
        if value is not None:
            self.valueChanged.emit(value)

    def _on_event(self, event: Event) -> None:
        self.progress.showProgress(event)
        self._order.take(event)
        if isinstance(event, StepDone):
            self.control.offerEnd("Stop here and keep it", _KEEP_TIP, self._stop.set)
        elif isinstance(event, EpochDone):
            self._refresh()

    def _on_result(self, result: Estimated | Trained) -> None:
        if isinstance(result, Estimated):
            self._estimate.showEstimate(estimate_in_words(result.estimate))
            return
        self._order.ready(result)
        remember_model(result.output)
        self.control.summarise(trained_in_words(result))
        self._next.offer()
        self.finished.emit()

    def _on_evaluate(self, *_: object) -> None:
        val = self._files.validation()
        masks = bool(val) and holds_masks(Path(val))
        to_evaluate(self._viewer, self._files.output(), val if masks else "")

    def _on_used(self) -> None:
        self.control.showMessage("The model is in Segment.")

    def _on_running(self, running: bool) -> None:
        self._files.refresh()
        if not running:
            self._order.over()
        if not running and self.control.message() == _STOPPED and not self._files.resumes():
            self.control.showMessage("Cancelled before the first step; nothing was written.")
        self._refresh()

    def _refresh(self, *_: object) -> None:
        running = self.control.isRunning()
        if not running:
            self.control.setWords(verb=_VERBS[self._files.resumes()], cancelled=_STOPPED)
        self._of_data.refresh()
        self._use.setModel(self._files.output() if self._files.hasOutput() else None)
        ready = not (self._patches.missing() or self._patches.error())
        self._estimate.button.setEnabled(ready and not running)
        super()._refresh()
