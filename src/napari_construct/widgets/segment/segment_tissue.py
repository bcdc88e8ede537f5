"""The dock widget Segment: an image layer in, a mask or cells out, and their maps on request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from napari_construct.classes import ClassTable
from napari_construct.events import Event
from napari_construct.exceptions import ConstructError
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.fields.message_label import Level, Problem
from napari_construct.widgets.jobs import predictors as _predictors
from napari_construct.widgets.jobs.predictors import DecidedSteps, LoadedModel, LoadModel, ModelChoice
from napari_construct.widgets.layers import (
    DISTANCE_MAP,
    Plane,
    is_untouched,
    kept_cells,
    outcome_of,
    recolour,
)
from napari_construct.widgets.layers.follower import Follower
from napari_construct.widgets.parts.dock import NO_CHANNEL, NO_IMAGE
from napari_construct.widgets.parts.image_dock import ImageDock
from napari_construct.widgets.parts.preferences import preferences
from napari_construct.widgets.parts.recipes import as_command, as_python
from napari_construct.widgets.segment.cell_job import CellRequest, jobs_of
from napari_construct.widgets.segment.finished_planes import FinishedPlanes
from napari_construct.widgets.segment.job import Outcome, PlaneSegmented, SegmentRequest
from napari_construct.widgets.segment.kept import Kept
from napari_construct.widgets.segment.model import SegmentModel
from napari_construct.widgets.segment.opened_cells import PrepareCells
from napari_construct.widgets.segment.outcomes import Asked, ResultsOnView
from napari_construct.widgets.segment.parts import SegmentParts
from napari_construct.widgets.segment.slide_job import SlideOutcome, SlideRequest
from napari_construct.widgets.segment.slide_runs import SlideRuns

if TYPE_CHECKING:
    import napari.viewer

AnyRequest = SegmentRequest | CellRequest | SlideRequest
"""What Segment asks for: of an image or stack, of cells, of a whole slide."""


class SegmentTissue(ImageDock[AnyRequest, Outcome | SlideOutcome]):
    """Edits one :class:`~napari_construct.inference.settings.SegmentSettings` and runs it on a layer.

    With a student on one channel it is a :class:`~napari_construct.inference.cells.settings.CellSettings`.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered and where results are added.
    load_model, decided_steps : callable, optional
        As ``widgets.jobs.predictors.load_any`` and ``inference.segment.decided_steps``; called in the job's
        thread only.
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
        self._loaded = LoadedModel(load_model or _predictors.load_any)
        self._decided_steps = decided_steps or _predictors.decided_steps
        self._preferences = preferences()
        self._kept = Kept(self._preferences)
        self._model = SegmentModel(self._loaded, self._preferences, self)
        self._parts = SegmentParts(self._model, self)
        self._options, self._cells = self._parts.options, self._parts.cells
        self._slide = SlideRuns(viewer, self.source, self.control, self)
        self._opened = PrepareCells(viewer, self)
        self._results = ResultsOnView(viewer, self._parts.classes, self.control, self)
        self._finished: FinishedPlanes | None = None
        self._build_layout()
        self._connect()
        self._recall()
        self._on_source()
        self._on_model()

    def value(self) -> SegmentSettings | CellSettings:
        """The settings on view, of the kind that the model takes.

        Raises
        ------
        ConfigurationError
            If they contradict each other; Segment is then disabled and says why.
        """
        chosen = self.source.channels.channel()
        channel = None if chosen is None else chosen[1]
        return self._parts.value(student=self._model.isStudent(), channel=channel)

    def setValue(self, value: SegmentSettings | CellSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._parts.setValue(value)

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
        self._model.setValue(model)

    def request(self) -> AnyRequest:
        """What Segment asks for."""
        model, device, settings = self.model(), self.device(), self.value()
        if self.source.slide() is not None and isinstance(settings, SegmentSettings):
            load = self._loaded.getter(model, device)
            return self._slide.request(model, settings, load, self._model.table.value(), device)
        planes, axis = self.source.planes(), self.source.planeAxis()
        load = self._loaded.getter(model, device)
        if isinstance(settings, CellSettings):
            maps = self._cells.wantsMaps()
            return CellRequest(planes, axis, str(model), settings, load, device, maps)
        return SegmentRequest(
            planes=planes,
            axis=axis,
            model=model,
            settings=settings,
            get_predictor=load,
            decided_steps=self._decided_steps,
            table=self._model.table.value(),
            device=device,
            class_maps=self._parts.class_maps.isChecked(),
            distance_map=self._parts.distance_map.isChecked(),
        )

    def launch(self, request: AnyRequest) -> None:
        self._parts.begin()
        keeps = self.source.keepsFinished()
        folder = self._slide.target.chosenFolder()
        self._kept.keep(request, self._model.kept(), keep_finished=keeps, slide_folder=folder)
        if isinstance(request, SlideRequest):
            self._finished = None
            self._slide.launch(request)
            return
        self.control.setWords(verb=self.verb, cancelled=self.cancelled)
        job, layers = jobs_of(request)
        self._finished = FinishedPlanes(layers) if keeps and request.axis is not None else None
        self.control.run("Segment", job)

    def problem(self) -> Problem:
        student = self._model.isStudent()
        if self.source.layer() is None:
            return NO_CHANNEL if student else NO_IMAGE
        said = self.source.enlarging().refused or self._parts.problem(student=student)
        said = said or self._slide.problem(student=student)
        return self._model.problem() or Problem(said, Level.WARNING)

    def text(self, recipe: Callable[[Plane, ModelChoice, SegmentSettings | CellSettings, str], str]) -> str:
        if self.control.blockedReason():
            return ""
        if self.source.planeAxis() is not None:
            self.control.showMessage("One plane can be copied: choose the one on view, or take Batch.")
            return ""
        request = self.request()
        if isinstance(request, SlideRequest):
            return self._slide.text(request, as_script=recipe is as_python)
        (plane,) = self.source.planes()
        return recipe(plane, self.model(), self.value(), self.device())

    def _build_layout(self) -> None:
        self.source.form().addRow("Model", self._model.chooser)
        self._options.moveRow("mpp", self.source.form())
        self._lay_out(self._opened, self.source, self._slide.target, *self._parts.inOrder())
        self._offer(self._results.next)

    def _recall(self) -> None:
        """Start as the last run was."""
        self.source.setKeepsFinished(self._kept.keeps_finished())
        self._parts.recall(self._kept)
        self._slide.target.setFolder(self._kept.slide_folder())
        settings = self._kept.settings()
        if settings is not None:
            self.setValue(settings)
            self._model.recall(self._kept.values, self._kept.model())

    def _connect(self) -> None:
        self._follow_source()
        self.source.layerChanged.connect(self._on_layer)
        self._model.tableChanged.connect(self._on_table)
        self._model.failed.connect(self._on_failed)
        self._model.valueChanged.connect(self._on_model)
        self._model.loaded.connect(self._on_kind)
        self._model.loaded.connect(self._options.showModel)
        self._model.loaded.connect(self.source.showModel)
        self._model.loaded.connect(self._slide.showModel)
        self._slide.target.changed.connect(self._refresh)
        self._model.changed.connect(self._refresh)
        self._parts.classes.valueChanged.connect(self._on_changed)
        self._options.valueChanged.connect(self._on_changed)
        self.control.cancelled.connect(self._on_cancelled)
        self._parts.class_maps.toggled.connect(self._on_maps)
        self._parts.distance_map.toggled.connect(self._on_distance_map)
        self._cells.valueChanged.connect(self._on_thresholds)
        self._cells.mapsToggled.connect(self._on_maps)
        self._cells.decided.connect(self._on_decided)
        self._cells.failed.connect(self._on_failed)
        self._opened.prepared.connect(self._on_opened)
        self._adder.finished.connect(self._on_added)
        events = self._viewer.dims.events
        self._slices = Follower(self, "follow_plane", [events.current_step])
        self._removals = Follower(self, "follow_removal", [self._viewer.layers.events.removed])

    def _refresh(self, *_: object) -> None:
        self._slide.follow(self._settings())
        self._parts.showWhole(slide=self.source.slide() is not None)
        super()._refresh()

    def _verb_now(self) -> str:
        return "Go on segmenting" if self._slide.target.goesOn() else self.verb

    def _on_layer(self, _: Any) -> None:
        self._refresh()
        self._show_outcome()

    def follow_plane(self) -> None:
        """Show what was found in the plane on view."""
        self._results.show_found(self._asked())

    def follow_removal(self) -> None:
        """Show nothing of a mask that was deleted."""
        self._show_outcome()

    def _on_changed(self, *_: object) -> None:
        self._refresh()
        self._show_outcome()
        if not self._options.problem():
            self.valueChanged.emit(self.value())

    def _on_model(self, *_: object) -> None:
        """Load the chosen model in the background: its classes are needed before a run."""
        self._parts.showWords(shown=self._model.inWords())
        self._options.showModel(None)
        self.source.showModel(None)
        self._slide.showModel(None)
        self._model.load(self.device())
        self._show_outcome()

    def _on_kind(self, *_: object) -> None:
        """Show what applies to the model: classes and their table, or what counts as a cell."""
        self._parts.showKind(student=self._model.isStudent())

    def _on_thresholds(self) -> None:
        """Cells that are there follow the thresholds, without the network."""
        self._on_changed()
        if self._model.isStudent() and not self.control.isRunning():
            asked = self._asked()
            if isinstance(asked.settings, CellSettings):
                self._cells.follow(self._results.mask(asked), asked.settings)

    def _on_decided(self, outcome: Outcome) -> None:
        layer = self._results.mask(self._asked())
        if kept_cells(layer) is kept_cells(outcome.mask) and is_untouched(layer):
            self._say(outcome)
            self._adder.add([outcome.mask])

    def _on_opened(self, layer: Any) -> None:
        """Go on with cells of a file: with their image, channel, model and thresholds."""
        kept = kept_cells(layer)
        if kept is None:
            return
        (plane,) = kept.planes
        image = next((one for one in self._viewer.layers if one.unique_id == plane.layer), None)
        if image is None:  # it was removed in the meantime
            return
        self.source.setLayer(image)
        if plane.dropped:
            self.source.channels.setAxis(0)
            self.source.channels.setChannel(plane.index[0])
        self.setModel(kept.model)
        self.setValue(kept.settings)
        self._show_outcome()

    def _on_table(self, table: ClassTable | None) -> None:
        self._parts.classes.setTable(table)
        if table is not None:
            recolour(self._viewer.layers, table)

    def _on_event(self, event: Event) -> None:
        if self._finished is not None and isinstance(event, PlaneSegmented):
            self._finished.add(event.finished)
        self._slide.take(event)

    def _on_cancelled(self) -> None:
        """Add the finished planes, if the user keeps them; a second Cancel leaves them out."""
        finished, self._finished = self._finished, None
        if finished is not None and (steps := finished.steps()) is not None:
            self.control.run("Add finished planes", steps)
        else:
            self._results.show_found(self._asked())

    def _on_running(self, *_: object) -> None:
        super()._on_running()
        self._slide.setRunning(running=self.control.isRunning())
        self._refresh()

    def _on_result(self, outcome: Outcome | SlideOutcome) -> None:
        self._finished = None  # it holds every plane's result
        if isinstance(outcome, SlideOutcome):
            self._model.showClasses(outcome.classes)
            self._slide.mask.finish(outcome)
            self.control.summarise(outcome.outcome.headline(), outcome.outcome.notices)
            self._adder.add([])  # it is there
            return
        if outcome.classes is not None:
            self._model.showClasses(outcome.classes)
        self._say(outcome)
        self.source.showChannel()
        self._adder.add([outcome.mask, *outcome.maps])

    def _say(self, outcome: Outcome) -> None:
        if found := outcome_of(outcome.mask):
            self.control.summarise(found.headline(), found.notices)

    def _on_added(self) -> None:
        """Select the mask: it is what the user goes on with."""
        self._results.select(self._asked())

    def _on_maps(self, wanted: bool) -> None:
        """Add class maps, or foreground and boundary, of the mask on view, or take them away."""
        if wanted:
            self._adder.add(self._results.maps(self._asked(), self._model.table.value()))
        else:
            self._results.remove_maps(self.source.layer())

    def _on_distance_map(self, wanted: bool) -> None:
        """Add the map of distances of the mask on view, or take it away."""
        if wanted:
            self._adder.add(self._results.distance_map(self._asked()))
        else:
            self._results.remove_maps(self.source.layer(), DISTANCE_MAP)

    def _settings(self) -> SegmentSettings | None:
        """The settings on view, of a model of stained sections; None while they contradict each other."""
        try:
            found = self.value()
        except (ConstructError, ValueError):
            return None
        return found if isinstance(found, SegmentSettings) else None

    def _asked(self) -> Asked:
        """What a run would be asked for; of the image alone while values contradict each other."""
        try:
            return Asked(self.source.layer(), self.model(), self.value())
        except (ConstructError, ValueError):
            return Asked(self.source.layer(), None, None)

    def _show_outcome(self) -> None:
        self._results.show(self._asked())
