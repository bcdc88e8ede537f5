"""The dock widget Segment: an image layer in, a mask out, and its class maps on request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtWidgets import QWidget

from napari_construct.classes import ClassTable
from napari_construct.events import Event
from napari_construct.exceptions import ConstructError
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.widgets.fields.controls import tick
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.layout import boxed, fold, stacked
from napari_construct.widgets.fields.message_label import Level, Problem
from napari_construct.widgets.jobs import predictors as _predictors
from napari_construct.widgets.jobs.predictors import DecidedSteps, LoadedModel, LoadModel, ModelChoice
from napari_construct.widgets.layers import Plane, class_map_layers, outcome_of, recolour
from napari_construct.widgets.layers.follower import Follower
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
)
from napari_construct.widgets.segment.model import SegmentModel
from napari_construct.widgets.segment.outcomes import Asked, ResultsOnView, class_maps_of

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
        tip = (
            "Also show how strongly each place of the image speaks for each class: the class activation maps "
            "(CAM), below the mask"
        )
        self._class_maps = tick("Show class maps", tip, self)
        self._options = SegmentOptions(self)
        self._next = MaskSteps(viewer, self)
        self._results = ResultsOnView(viewer, self._classes, self.control)
        self._finished: FinishedPlanes | None = None
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
            If they contradict each other; Segment is then disabled and says why.
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
        """What Segment asks for."""
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
            class_maps=self._class_maps.isChecked(),
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
                "class_maps": request.class_maps,
            }
        )
        keeps = request.axis is not None and self.source.keepsFinished()
        self._finished = FinishedPlanes(request) if keeps else None
        self.start("Segment", segment_job, request)

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
        self.source.form().addRow("Model", self._model.chooser)
        self._options.moveRow("mpp", self.source.form())
        self._words = boxed("Words only, no training", self._model.words)
        self._words.hide()
        tip = "Colours, which classes are drawn or left out of scores; descriptions for models in words"
        self._table = fold("Class table", tip, self._model.table, self)
        found = QWidget(self)
        stacked(found, self._classes, self._class_maps)
        classes = boxed("Classes in the image", found)
        tip = "Device, tiles, views, confidence and borders"
        options = fold("Options", tip, self._options, self)
        self._lay_out(self.source, self._words, classes, self._table, options)
        self._offer(self._next)

    def _recall(self) -> None:
        """Restore options and model of the last run, where the preferences were not changed since."""
        kept = self._memory.load()
        self.source.setKeepsFinished(kept.get("keep_finished") is True)
        self._class_maps.setChecked(kept.get("class_maps") is True)
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
        self._class_maps.toggled.connect(self._on_class_maps)
        self._adder.finished.connect(self._on_added)
        events = self._viewer.dims.events
        self._slices = Follower(self, "follow_plane", [events.current_step])
        self._removals = Follower(self, "follow_removal", [self._viewer.layers.events.removed])

    def _on_layer(self, _: Any) -> None:
        self._refresh()
        self._show_outcome()

    def follow_plane(self) -> None:
        """Show what was found in the plane on view."""
        self._results.show_found(self._asked())

    def follow_removal(self) -> None:
        """Show nothing of a mask that was deleted."""
        self._show_outcome()

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
        self._show_outcome()
        if not self._options.problem():
            self.valueChanged.emit(self.value())

    def _on_model(self, *_: object) -> None:
        """Load the chosen model in the background: its classes are needed before a run."""
        words = self._model.inWords()
        self._words.setVisible(words)
        if words:
            self._table.expand(animate=False)
        self._options.showModel(None)
        self.source.showModel(None)
        self._model.load(self.device())
        self._show_outcome()

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
            self.control.run("Add finished planes", steps)
        else:
            self._results.show_found(self._asked())

    def _on_result(self, outcome: Outcome) -> None:
        self._finished = None  # it holds every plane's result
        self._model.showClasses(outcome.classes)
        if found := outcome_of(outcome.mask):
            self.control.summarise(found.headline(), found.notices)
        self._adder.add([outcome.mask, *outcome.class_maps])

    def _on_added(self) -> None:
        """Select the mask: it is what the user goes on with."""
        mask = self._results.show_found(self._asked())
        if mask is not None:
            self.source.layer().visible = True
            self._viewer.layers.selection.active = mask
        self._show_next(mask)

    def _on_class_maps(self, wanted: bool) -> None:
        """Add the class maps of the mask on view, or take away those that nobody has touched."""
        image, mask = self.source.layer(), self._results.mask(self._asked())
        if wanted and mask is not None:
            self._adder.add(class_map_layers(mask, self._model.table.value()))
        elif not wanted and image is not None:
            for layer in class_maps_of(self._viewer.layers, image):
                self._viewer.layers.remove(layer)

    def _asked(self) -> Asked:
        """What a run would be asked for; of the image alone while values contradict each other."""
        try:
            return Asked(self.source.layer(), self.model(), self.value())
        except (ConstructError, ValueError):
            return Asked(self.source.layer(), None, None)

    def _show_outcome(self) -> None:
        self._show_next(self._results.show(self._asked()))

    def _show_next(self, mask: Any) -> None:
        """Offer what may follow the mask on view."""
        found = outcome_of(mask)
        if found is None or self.isRunning():
            self._next.clear()
        else:
            self._next.offerMask(MaskMade(mask, self.source.layer(), *found.asked))
