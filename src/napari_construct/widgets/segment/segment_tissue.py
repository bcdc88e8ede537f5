"""The dock widget Segment tissue: an image layer in, CAM layers and a labels layer out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.classes import ClassTable
from napari_construct.events import Event
from napari_construct.exceptions import ConstructError
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.fields.layout import boxed, column, fill_dock, fold
from napari_construct.widgets.fields.message_label import Level, plain
from napari_construct.widgets.jobs import predictors as _predictors
from napari_construct.widgets.jobs.predictors import LoadedModel, LoadModel, ModelChoice
from napari_construct.widgets.jobs.run_control import RunControl
from napari_construct.widgets.layers import (
    Plane,
    micrometres_per_pixel,
    recolour,
)
from napari_construct.widgets.layers.adding import LayerAdder
from napari_construct.widgets.parts.class_list import ClassList
from napari_construct.widgets.parts.copy_row import CopyRow
from napari_construct.widgets.parts.memory import Memory
from napari_construct.widgets.parts.options import SegmentOptions
from napari_construct.widgets.parts.preferences import preferences
from napari_construct.widgets.parts.recipes import as_command, as_python
from napari_construct.widgets.parts.source import SourceChooser
from napari_construct.widgets.segment.finished_planes import FinishedPlanes
from napari_construct.widgets.segment.job import (
    DecidedSteps,
    Outcome,
    PlaneSegmented,
    segment_plane,
    segment_planes,
    summary,
)
from napari_construct.widgets.segment.model import SegmentModel

if TYPE_CHECKING:
    import napari.viewer

_OF_IMAGE: Final = {"classes", "mpp"}
"""What is true of one image only and is not remembered."""


class SegmentTissue(QWidget):
    """Edits one :class:`~napari_construct.inference.settings.SegmentSettings` and runs it on a layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered and where results are added.
    load_model, decided_steps : callable, optional
        As in ``inference.predictor``; both are called in the worker's thread only.
    """

    valueChanged = Signal(object)
    finished = Signal()
    """The layers of a run have been added."""

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        *,
        load_model: LoadModel | None = None,
        decided_steps: DecidedSteps | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._loaded = LoadedModel(load_model or _predictors.load_model)
        self._decided_steps = decided_steps or _predictors.decided_steps
        self._preferences = preferences()
        self._memory = Memory("segment tissue")
        self._source = SourceChooser(viewer, self)
        self._model = SegmentModel(self._loaded, self._preferences, self)
        self._classes = ClassList(self)
        self._options = SegmentOptions(self)
        self._control = RunControl("Run", self)
        self._copy_row = CopyRow(self)
        self._adder = LayerAdder(viewer, self)
        self._finished: FinishedPlanes | None = None
        self._cancelled_words = ""
        self._build_layout()
        self._connect()
        self._recall()
        self._on_layer(self._source.layer())
        self._on_model()

    def value(self) -> SegmentSettings:
        """The settings on view.

        Raises
        ------
        ConfigurationError
            If they contradict each other; Run is then disabled and says why.
        """
        return self._options.value().changed(classes=self._classes.value())

    def setValue(self, value: SegmentSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._classes.setValue(value.classes)
        self._options.setValue(value.model_copy(update={"classes": None}))

    def device(self) -> str:
        """Where the model is loaded: "auto", "cpu", "cuda", ..."""
        return self._options.device()

    def setDevice(self, device: str) -> None:
        """Choose where the model is loaded."""
        self._options.setDevice(device)

    def model(self) -> ModelChoice:
        """Name of a bundled model, path of a checkpoint, or an encoder and words."""
        return self._model.value()

    def setModel(self, model: ModelChoice) -> None:
        """Choose a model and load it in the background."""
        self._model.setValue(model)

    def layer(self) -> Any:
        """The image layer to be segmented, or None."""
        return self._source.layer()

    def setLayer(self, layer: Any) -> None:
        self._source.setLayer(layer)

    @property
    def source(self) -> SourceChooser:
        """Which layer, region and planes."""
        return self._source

    def run(self) -> None:
        """Start, as the button does; nothing happens while something is missing or already running."""
        if self._control.isRunning() or self._control.blockedReason():
            return
        try:
            planes = self._source.planes()
            settings = self.value()
        except (ConstructError, ValueError) as error:
            self._control.showMessage(plain(error), Level.ERROR, error)
            return
        self._classes.clearOutcome()
        self._memory.keep(
            {
                **self._model.kept(),
                "settings": settings.model_dump(mode="json", exclude=_OF_IMAGE),
                "device": self.device(),
                "preferences": self._preferences.as_dict(),
                "keep_finished": self._source.keepsFinished(),
            }
        )
        axis = self._source.planeAxis()
        table = self._model.table.value()
        self._finished = None
        if axis is not None and self._source.keepsFinished():
            self._finished = FinishedPlanes(planes, axis, table)
        self._cancelled_words = ""
        get_predictor = partial(self._loaded.get, device=self.device())
        rest = (self.model(), settings, get_predictor, self._decided_steps, table)
        self._control.run(
            "Segment tissue",
            partial(segment_plane, planes[0], *rest)
            if axis is None
            else partial(segment_planes, planes, axis, *rest),
        )

    def cancel(self) -> None:
        """Stop after the tile at hand, as the button does."""
        self._control.cancel()

    @property
    def control(self) -> RunControl:
        """Progress and messages of the run."""
        return self._control

    def isRunning(self) -> bool:
        """Whether a job runs or its layers are still being added."""
        return self._control.isRunning() or self._adder.isActive()

    def message(self) -> str:
        """The message on view."""
        return self._control.message()

    def _build_layout(self) -> None:
        layout = column(self)
        self._source.addRow("Model", self._model.chooser)
        layout.addWidget(self._source)
        self._words = boxed("Words only, no training", self._model.words)
        self._words.hide()
        layout.addWidget(self._words)
        layout.addWidget(boxed("Classes in the image", self._classes))
        tip = "Colours, which classes are drawn or left out of scores; the words of models without training"
        self._table = fold("Class table", tip, self._model.table, self)
        layout.addWidget(self._table)
        layout.addWidget(boxed("Options", self._options))
        layout.addStretch(1)
        fill_dock(self, layout, self._control, self._copy_row)

    def _recall(self) -> None:
        """Take up the options and the model of the last run, unless the preferences were changed since."""
        kept = self._memory.load()
        self._source.setKeepsFinished(kept.get("keep_finished") is True)
        chosen = self._preferences.as_dict()
        changed = {k for k, v in kept.get("preferences", chosen).items() if chosen.get(k) != v}
        settings = {k: v for k, v in kept.get("settings", {}).items() if k not in changed}
        device = kept.get("device", settings.pop("device", None))  # it was one of the settings once
        self.setDevice(self._preferences.device if "device" in changed or not device else str(device))
        try:
            self.setValue(self._preferences.settings().changed(**settings))
        except (ConstructError, TypeError):  # of another version
            return
        model = kept.get("model", "")
        if "model" in changed or not isinstance(model, str) or not model:
            model = self._preferences.model
        self._model.recall(kept, model)

    def _copy_python(self, *_: object) -> None:
        self._copy(as_python)

    def _copy_command(self, *_: object) -> None:
        self._copy(as_command)

    def _copy(self, recipe: Callable[[Plane, ModelChoice, SegmentSettings, str], str]) -> None:
        """Put the run on the clipboard as text."""
        if self._control.blockedReason():
            return
        if self._source.planeAxis() is not None:
            self._control.showMessage("One plane can be copied: choose the one on view, or take Batch.")
            return
        self._copy_row.copyMade(
            lambda: recipe(self._source.planes()[0], self.model(), self.value(), self.device()),
            self._control.showMessage,
        )

    def _connect(self) -> None:
        self._source.layerChanged.connect(self._on_layer)
        self._model.tableChanged.connect(self._on_table)
        self._model.failed.connect(self._on_table_failed)
        self._model.valueChanged.connect(self._on_model)
        self._model.loaded.connect(self._options.showModel)
        self._model.changed.connect(self._refresh)
        self._classes.valueChanged.connect(self._on_changed)
        self._options.valueChanged.connect(self._on_changed)
        self._control.runRequested.connect(self.run)
        self._control.progressed.connect(self._on_progress)
        self._control.returned.connect(self._on_returned)
        self._control.cancelled.connect(self._on_cancelled)
        self._adder.finished.connect(self.finished)
        # bound methods only: a connection that holds this widget strongly makes Python free it while Qt is
        # still destroying it, which ends in a crash
        self._copy_row.pythonRequested.connect(self._copy_python)
        self._copy_row.commandRequested.connect(self._copy_command)

    def _on_layer(self, layer: Any) -> None:
        self._options.showResolution(None if layer is None else micrometres_per_pixel(layer))
        self._classes.clearOutcome()  # it was that of another image
        self._refresh()

    def _on_changed(self, *_: object) -> None:
        self._refresh()
        if not self._options.problem():
            self.valueChanged.emit(self.value())

    def _on_model(self, *_: object) -> None:
        """Load the chosen model in the background: its classes are needed before Run."""
        words = self._model.inWords()
        self._words.setVisible(words)
        if words:
            self._table.expand(animate=False)
        self._options.showModel(None)
        self._model.load(self.device())

    def _on_table(self, table: ClassTable | None) -> None:
        self._classes.setTable(table)
        if table is not None:
            recolour(self._viewer.layers, table)

    def _on_table_failed(self, error: Exception) -> None:
        self._control.showMessage(plain(error), Level.ERROR, error)

    def _refresh(self) -> None:
        """Enable Run, or say what is missing."""
        if self._source.layer() is None:
            self._control.setBlocked(
                "Open an H&E image first, for example File > Open Sample > napari-construct."
            )
        elif not self._model.block(self._control):
            problem = self._classes.problem() or self._options.problem()
            self._control.setBlocked(problem, Level.WARNING)

    def _on_progress(self, event: Event) -> None:
        if self._finished is not None and isinstance(event, PlaneSegmented) and event.finished is not None:
            self._finished.add(event.finished)

    def _on_cancelled(self) -> None:
        """Add what was finished, where that was wished; cancelled once more, it is left."""
        finished, self._finished = self._finished, None
        if finished is not None and (steps := finished.steps()) is not None:
            self._cancelled_words = finished.summary()
            self._control.run("Add finished planes", steps)

    def _on_returned(self, outcome: Outcome) -> None:
        result, layers = outcome
        self._finished = None  # it holds every plane's result
        self._model.showClasses(result.classes)
        self._classes.showOutcome(result)
        self._control.summarise(self._cancelled_words or summary(result))
        self._adder.add(layers)
