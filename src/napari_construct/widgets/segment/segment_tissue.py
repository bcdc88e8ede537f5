"""The dock widget Segment tissue: an image layer in, CAM layers and a labels layer out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtWidgets import QWidget

from napari_construct.classes import ClassTable
from napari_construct.events import Event
from napari_construct.exceptions import ConstructError
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.layout import boxed, fold
from napari_construct.widgets.fields.message_label import Level, Problem
from napari_construct.widgets.jobs import predictors as _predictors
from napari_construct.widgets.jobs.predictors import DecidedSteps, LoadedModel, LoadModel, ModelChoice
from napari_construct.widgets.layers import Plane, recolour
from napari_construct.widgets.parts.class_list import ClassList
from napari_construct.widgets.parts.dock import NO_IMAGE, JobDock
from napari_construct.widgets.parts.dropped_images import folders_said, open_dropped, sort_dropped
from napari_construct.widgets.parts.memory import Memory
from napari_construct.widgets.parts.next_steps import MaskMade, MaskSteps
from napari_construct.widgets.parts.options import SegmentOptions
from napari_construct.widgets.parts.preferences import preferences
from napari_construct.widgets.parts.recipes import as_command, as_python
from napari_construct.widgets.parts.source import SourceChooser
from napari_construct.widgets.segment.finished_planes import FinishedPlanes
from napari_construct.widgets.segment.job import (
    Outcome,
    PlaneSegmented,
    SegmentRequest,
    segment_job,
    summary,
)
from napari_construct.widgets.segment.model import SegmentModel

if TYPE_CHECKING:
    import napari.viewer

_OF_IMAGE: Final = {"classes", "mpp"}
"""What is true of one image only and is not remembered."""


class SegmentTissue(JobDock[SegmentRequest, Outcome]):
    """Edits one :class:`~napari_construct.inference.settings.SegmentSettings` and runs it on a layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered and where results are added.
    load_model, decided_steps : callable, optional
        As ``inference.loading.load_model`` and ``inference.segment.decided_steps``; called in the job's
        thread only.

    Attributes
    ----------
    source : SourceChooser
        Which layer, region and planes.
    """

    verb = "Segment"
    recipes = as_python, as_command

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        *,
        load_model: LoadModel | None = None,
        decided_steps: DecidedSteps | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(viewer, parent)
        self._loaded = LoadedModel(load_model or _predictors.load_model)
        self._decided_steps = decided_steps or _predictors.decided_steps
        self._preferences = preferences()
        self._memory = Memory("segment tissue")
        self.source = SourceChooser(viewer, self)
        self._model = SegmentModel(self._loaded, self._preferences, self)
        self._classes = ClassList(self)
        self._options = SegmentOptions(self)
        self._next = MaskSteps(viewer, self)
        self._finished: FinishedPlanes | None = None
        self._cancelled_words = ""
        self._made = MaskMade(None)
        self._build_layout()
        self._connect()
        self._recall()
        self._on_source()
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
        return self.source.layer()

    def setLayer(self, layer: Any) -> None:
        self.source.setLayer(layer)

    def request(self) -> SegmentRequest:
        """What Run asks for."""
        model, device = self.model(), self.device()
        return SegmentRequest(
            planes=self.source.planes(),
            axis=self.source.planeAxis(),
            model=model,
            settings=self.value(),
            get_predictor=self._loaded.getter(model, device),
            decided_steps=self._decided_steps,
            table=self._model.table.value(),
            device=device,
        )

    def launch(self, request: SegmentRequest) -> None:
        self._classes.clearOutcome()
        self._memory.keep(
            {
                **self._model.kept(),
                "settings": request.settings.model_dump(mode="json", exclude=_OF_IMAGE),
                "device": request.device,
                "preferences": self._preferences.as_dict(),
                "keep_finished": self.source.keepsFinished(),
            }
        )
        keeps = request.axis is not None and self.source.keepsFinished()
        self._finished = FinishedPlanes(request) if keeps else None
        self._made = MaskMade(None, self.source.layer(), request.model, request.settings)
        self._cancelled_words = ""
        self.start("Segment tissue", segment_job, request)

    def problem(self) -> Problem:
        if self.source.layer() is None:
            return NO_IMAGE
        said = self.source.enlarging().refused or self._classes.problem() or self._options.problem()
        return self._model.problem() or Problem(said, Level.WARNING)

    def text(self, recipe: Callable[[Plane, ModelChoice, SegmentSettings, str], str]) -> str:
        if self.control.blockedReason():
            return ""
        if self.source.planeAxis() is not None:
            self.control.showMessage("One plane can be copied: choose the one on view, or take Batch.")
            return ""
        (plane,) = self.source.planes()
        return recipe(plane, self.model(), self.value(), self.device())

    def takeDropped(self, paths: list[Path]) -> str:
        """Open images, choose a checkpoint; folders are for Batch."""
        found = sort_dropped(paths)
        if found.models:
            self.setModel(str(found.models[-1]))
        said = open_dropped(self._viewer, found.images)
        if found.images:
            self.source.follow()  # the new image, also where another one was kept
        if found.folders:
            self.foldersDropped.emit(found.folders)
        wrong = refused(found.others, f"images, or a checkpoint ({SUFFIX})")
        return "\n".join(filter(None, (said, folders_said(found.folders), wrong)))

    def _build_layout(self) -> None:
        self.source.addRow("Model", self._model.chooser)
        self.source.addRow("Pixel size", self._options.takeRow("mpp"))
        self._words = boxed("Words only, no training", self._model.words)
        self._words.hide()
        tip = "Colours, which classes are drawn or left out of scores; descriptions for models in words"
        self._table = fold("Class table", tip, self._model.table, self)
        classes = boxed("Classes in the image", self._classes)
        tip = "Device, tiles, views, confidence and borders"
        options = fold("Options", tip, self._options, self)
        self._lay_out(self.source, self._words, classes, self._table, options)
        self._offer(self._next)

    def _recall(self) -> None:
        """Restore options and model of the last run, where the preferences were not changed since."""
        kept = self._memory.load()
        self.source.setKeepsFinished(kept.get("keep_finished") is True)
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

    def _connect(self) -> None:
        self.source.layerChanged.connect(self._on_layer)
        self.source.changed.connect(self._on_source)
        self.finished.connect(self._on_running)
        self._model.tableChanged.connect(self._on_table)
        self._model.failed.connect(self._on_failed)
        self._model.valueChanged.connect(self._on_model)
        self._model.loaded.connect(self._options.showModel)
        self._model.loaded.connect(self._on_loaded)
        self._model.changed.connect(self._refresh)
        self._classes.valueChanged.connect(self._on_changed)
        self._options.valueChanged.connect(self._on_changed)
        self.control.cancelled.connect(self._on_cancelled)

    def _on_layer(self, _: Any) -> None:
        self._classes.clearOutcome()  # it was that of another image
        self._next.clear()
        self._refresh()

    def _on_source(self) -> None:
        """Another region, planes or pixel size."""
        self._options.showResolution(self.source.size())
        self._refresh()

    def _on_loaded(self, predictor: Any) -> None:
        self.source.showModel(getattr(predictor, "mpp", None))

    def _on_running(self, *_: object) -> None:
        self.source.setHeld(self.isRunning())

    def _refresh(self, *_: object) -> None:
        self.control.setAction(*self.source.action(self.verb))
        super()._refresh()

    def _on_changed(self, *_: object) -> None:
        self.source.showGiven(self._options.field("mpp").get())
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
        self.source.showModel(None)
        self._model.load(self.device())

    def _on_table(self, table: ClassTable | None) -> None:
        self._classes.setTable(table)
        if table is not None:
            recolour(self._viewer.layers, table)

    def _on_event(self, event: Event) -> None:
        if self._finished is not None and isinstance(event, PlaneSegmented):
            self._finished.add(event.finished)

    def _on_cancelled(self) -> None:
        """Add the finished planes, if the user keeps them; a second Cancel leaves them out."""
        finished, self._finished = self._finished, None
        if finished is not None and (steps := finished.steps()) is not None:
            self._cancelled_words = finished.summary()
            self.control.run("Add finished planes", steps)
        else:
            self._made = MaskMade(None)

    def _on_result(self, outcome: Outcome) -> None:
        result, layers = outcome
        self._finished = None  # it holds every plane's result
        self._model.showClasses(result.classes)
        self._classes.showOutcome(result)
        self.control.summarise(self._cancelled_words or summary(result))
        self._adder.add(layers)
        self._next.offerMask(replace(self._made, mask=layers[-1]))
        self._made = MaskMade(None)  # it holds the image
