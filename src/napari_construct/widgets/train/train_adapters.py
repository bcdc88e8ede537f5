"""The dock widget Train a model: patches with image-level labels in, a model out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtWidgets import QWidget

from napari_construct.data.masks import holds_masks
from napari_construct.events import Event
from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.places import is_folder
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.fields.controls import button
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.layout import fold, form
from napari_construct.widgets.fields.message_label import Level, Problem, problem_of
from napari_construct.widgets.parts.hand_over import to_evaluate
from napari_construct.widgets.runs.run_dock import RunDock
from napari_construct.widgets.train.curves import CURVES
from napari_construct.widgets.train.job import Trained, estimate_job, load_libraries
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


class TrainAdapters(RunDock[TrainingConfig, TrainRequest, Trained]):
    """Edits one :class:`~napari_construct.training.config.config.TrainingConfig` and trains with it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where *Use this model* opens Segment.

    Attributes
    ----------
    classes : ClassTableEditor
        The class table; its order is that of the values in masks.
    """

    verb = _VERBS[False]
    recipes = train_as_python, train_as_command
    titles = "Train a model", "Estimate the training"
    jobs = train_steps_with_order, estimate_job
    stopped = "Stopped; the state of the run is kept beside the model's file. Press Go on training to go on."
    nothing = "Cancelled before the first step; nothing was written."
    keep_tip = (
        "Take no more steps and finish the model as it is now: it is averaged, scored and calibrated like "
        "that of a whole run"
    )

    _memory: TrainMemory

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(viewer, "time and memory", CURVES, load_libraries, parent)
        self._memory = TrainMemory()
        self._patches = TrainPatches(self)
        self._files = self._patches.files
        self._file = self._files.model
        self.classes = self._patches.classes
        self._options = TrainOptions(self)
        self._question = PatchSizeRow(self)
        self._of_data = SettingsOfData(self._options, self._patches, self._question, self)
        self._order = OrderAfter(self)
        self._build_layout()
        self._connect()
        self._recall()
        self._refresh()

    def setData(self, path: str) -> None:
        """Choose the patches: a folder or a table; of a folder with train and val inside, both."""
        self._files.setData(path)

    def setValidation(self, path: str) -> None:
        """Choose the validation data, or none."""
        self._files.setValidation(path)

    def takeDropped(self, paths: list[Path]) -> str:
        """A folder or a table becomes the patches, a folder of images with masks the validation data."""
        path = paths[0]
        if len(paths) > 1 or not (is_folder(path) or path.suffix.lower() in _TABLES):
            return refused(paths, "one folder of patches, or one table (CSV)")
        (self.setValidation if holds_masks(path) else self.setData)(str(path))
        return ""

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
            output=self._file.output(),
            config=self.value(),
            device=str(self._options.device()),
            resume=self._file.resumes(),
            replace=self._file.replaces(),
            checked=self._patches.checked(),
        )

    def isReady(self) -> bool:
        return not (self.control.isRunning() or self._patches.missing() or self._patches.error())

    def isLooking(self) -> bool:
        """Whether the patches are being looked at."""
        return self._patches.isLooking()

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
        if self._patches.missing() or not self._file.hasOutput() or self._options.problem():
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
        self._follow_run()

    def _recall(self) -> None:
        """Restore what the user prefers, and where the last run lies if it was stopped."""
        super()._recall()
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
            self._order.follow()
            said = "Cancelled; the scores are as before."
            self._start_as(said, "Read the masks in another order", reorder_job, request)

    def _begin(self, request: TrainRequest) -> None:
        self._memory.keep_run(request)
        self._patches.stopLooking()
        self._of_data.begin(request.output)
        self._order.begin(request)

    def _verb(self) -> str:
        return _VERBS[self._file.resumes()]

    def _on_changed(self, *_: object) -> None:
        if not self._patches.missing():
            self._ahead.start()
        super()._on_changed()

    def _on_event(self, event: Event) -> None:
        super()._on_event(event)
        self._order.take(event)

    def _on_done(self, done: Trained) -> None:
        self._order.ready(done)
        self._next.offer()

    def _on_evaluate(self, *_: object) -> None:
        val = self._files.validation()
        masks = bool(val) and holds_masks(Path(val))
        to_evaluate(self._viewer, self._file.output(), val if masks else "")

    def _on_running(self, running: bool) -> None:
        if not running:
            self._order.over()
        super()._on_running(running)

    def _refresh(self, *_: object) -> None:
        self._of_data.refresh()
        super()._refresh()
