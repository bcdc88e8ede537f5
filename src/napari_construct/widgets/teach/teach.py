"""The dock widget Teach: paint examples of classes, and the mask of what is on view follows every stroke."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_construct.events import Event
from napari_construct.teaching.settings import TeachSettings
from napari_construct.widgets.fields.controls import named
from napari_construct.widgets.fields.layout import fold, form, stacked
from napari_construct.widgets.fields.message_label import Level, Problem, plain
from napari_construct.widgets.jobs.live_control import LiveControl
from napari_construct.widgets.jobs.workers import Job
from napari_construct.widgets.layers import Plane, camera
from napari_construct.widgets.layers.follower import Follower
from napari_construct.widgets.parts.dock import NO_IMAGE, JobDock
from napari_construct.widgets.parts.dropped_images import open_dropped, sort_dropped
from napari_construct.widgets.parts.known_models import remember_model
from napari_construct.widgets.parts.layer_chooser import LayerChooser
from napari_construct.widgets.parts.pixel_size_row import PixelSizeRow
from napari_construct.widgets.teach import job as jobs
from napari_construct.widgets.teach.buttons import LiveButtons, ModelButtons
from napari_construct.widgets.teach.files import open_strokes_job, save_strokes_job
from napari_construct.widgets.teach.options import TeachOptions
from napari_construct.widgets.teach.recipes import TaughtFrom, teach_as_command, teach_as_python
from napari_construct.widgets.teach.requests import (
    Counted,
    FieldRequest,
    LearnedDeeper,
    ModelSaved,
    Outcome,
    SaveRequest,
    StrokesRequest,
    StrokesSaved,
    TaughtNow,
    TeachRequest,
    ViewDone,
)
from napari_construct.widgets.teach.start import StartChooser, with_known
from napari_construct.widgets.teach.strokes_box import StrokesBox
from napari_construct.widgets.teach.work import MakeSession, TeachWork, make_session

if TYPE_CHECKING:
    import napari.viewer

_MOVED_MS: Final = 250
"""From the last move of the view to its mask."""

_STALE: Final = "Not up to date: press Update once"
_CANCELLED: Final = "Not up to date: cancelled, the mask is as before"
_NOTHING: Final = Problem("Paint strokes of two classes first, or of one beside those of a model.")


class Teach(JobDock[TeachRequest, Outcome]):
    """Edits one :class:`~napari_construct.teaching.settings.TeachSettings` and learns from what is painted.

    Strokes are painted on labels layers of their own, with napari's tools; their pixels are never changed
    here. What is on view of the chosen image is repainted after every stroke, and after every undo. Run
    trains a network of its own on the strokes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose images are painted on.
    make_session : callable, optional
        As ``teaching.session.TeachSession``; called in the job's thread only.

    Attributes
    ----------
    box : StrokesBox
        Classes and strokes.
    live : LiveControl
        State, progress and Cancel of the fit after a stroke.
    """

    verb = "Learn deeper"
    cancelled = "Cancelled; the model is as before."
    recipes = teach_as_python, teach_as_command
    updated = Signal()
    """The part on view agrees with the strokes."""

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        *,
        make_session: MakeSession = make_session,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(viewer, parent)
        self._work = TeachWork(make_session)
        self._now = TaughtNow()
        self._deeper: LearnedDeeper | None = None
        self._field: Job | None = None
        self._folder: Path | None = None
        self._image = named(LayerChooser(viewer, self), "Image layer", "The image to paint on and to look at")
        self._size = PixelSizeRow(self)
        self.start_from = StartChooser(self)
        self.box = StrokesBox(viewer, self)
        self._options = TeachOptions(self)
        self.live = LiveControl("Teach", self, cancelled=_CANCELLED)
        self._buttons = LiveButtons(self)
        self._model = ModelButtons(viewer, self)
        self._moved = QTimer(self)
        self._moved.setSingleShot(True)
        self._moved.setInterval(_MOVED_MS)
        self._build_layout()
        self._connect()
        self.box.follow_layers()
        self._on_image()

    def value(self) -> TeachSettings:
        """The settings on view.

        Raises
        ------
        ConfigurationError
            If they contradict each other.
        """
        table = self.box.value()
        return self._options.value().changed(classes=table, start=self.start_from.value(table))

    def setValue(self, value: TeachSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self.box.setValue(value.classes)
        self.start_from.setValue(value.start)
        self._options.setValue(value)

    def layer(self) -> Any:
        """The image that is painted on, or None."""
        return self._image.layer()

    def setLayer(self, layer: Any) -> None:
        """Choose an image layer and keep it, as a choice by hand does."""
        self._image.setLayer(layer)

    def setModel(self, model: str) -> None:
        """Choose a model to start from."""
        self.start_from.setValue(model)

    def isRunning(self) -> bool:
        return super().isRunning() or self.live.job.is_busy or self._field is not None

    def message(self) -> str:
        return self.live.message() or super().message()

    def request(self) -> TeachRequest:
        """What Learn deeper, and every fit, asks for."""
        return TeachRequest(
            work=self._work,
            settings=self.value(),
            device=self._options.device(),
            painted=self.box.painting.painted(),
            values=self.box.values(),
            view=self.box.painting.view(self.layer()),
            deeper=None if self._deeper is None else self._deeper.predictor,
        )

    def launch(self, request: TeachRequest) -> None:
        self.start("Learn deeper", jobs.deeper_job, request)

    def problem(self) -> Problem:
        said = self._options.problem() or self.start_from.problem()
        if said:
            return Problem(said, Level.WARNING)
        if self.layer() is None and not self.box.painting.layers():
            return NO_IMAGE
        return _NOTHING if self._now.taught is None else Problem("")

    def text(self, recipe: Callable[[TaughtFrom], str]) -> str:
        if self._folder is None:
            self.control.showMessage("Save the strokes first: a script can name files only.")
            return ""
        settings = self.value().changed(deeper=self._deeper is not None)
        return recipe(TaughtFrom(self._folder, settings, self._options.device()))

    def update_once(self, *_: object) -> None:
        """Learn anew and repaint the part on view, as the button does."""
        self._request(now=True)

    def save(self, path: Path) -> None:
        """Write the model as a checkpoint."""
        model = self._now.taught if self._deeper is None else self._deeper.checkpoint
        if model is not None:
            self.start("Save the model", jobs.save_job, SaveRequest(Path(path), model, self._now.score))

    def saveStrokes(self, folder: Path) -> None:
        """Write the strokes into a folder."""
        painted = self.box.painting.painted()
        request = StrokesRequest(Path(folder), self.value(), painted, self.box.values())
        self.start("Save the strokes", save_strokes_job, request)

    def openStrokes(self, folder: Path) -> None:
        """Read the strokes of a folder and add them."""
        self.start("Open strokes", open_strokes_job, StrokesRequest(Path(folder), self.value()))

    def takeDropped(self, paths: list[Path]) -> str:
        """Open images and folders of strokes; a checkpoint is what is started from."""
        found = sort_dropped(paths)
        if found.models:
            self.setModel(str(found.models[-1]))
        for folder in found.folders[:1]:
            self.openStrokes(folder)
        wrong = [f"{path.name}: expected an image, strokes, or a checkpoint" for path in found.others]
        return "\n".join(filter(None, (open_dropped(self._viewer, found.images), *wrong)))

    def _build_layout(self) -> None:
        rows, head = form(), QWidget(self)
        rows.addRow("Image", self._image)
        rows.addRow("Start from", self.start_from)
        stacked(head, rows, self._size)
        options = fold("Options", "Device, resolution, and how it is learned", self._options, self)
        self._lay_out(head, self.box, options, above=(self.live, self._buttons), below=(self._model,))

    def _connect(self) -> None:
        self._image.layerChanged.connect(self._on_image)
        self.start_from.valueChanged.connect(self._on_start)
        self.box.classesChanged.connect(self._on_changed)
        self.box.changed.connect(self._request)
        self.box.fieldRequested.connect(self._on_field_wanted)
        self.box.failed.connect(self._on_failed)
        self.box.tools.saveRequested.connect(self.saveStrokes)
        self.box.tools.openRequested.connect(self.openStrokes)
        self._options.valueChanged.connect(self._on_changed)
        self._buttons.once.connect(self.update_once)
        self._buttons.liveChanged.connect(self._on_live)
        self._model.saveRequested.connect(self.save)
        self.live.progressed.connect(self._on_event)
        self.live.returned.connect(self._on_taught)
        self.live.job.failed.connect(self._on_live_failed)
        self.live.job.busyChanged.connect(self._on_busy)
        self.live.job.busyChanged.connect(self.busyChanged)
        self.closed.connect(self._on_closed)
        self._moved.timeout.connect(self._on_moved)
        view, step = camera(self._viewer).events, self._viewer.dims.events.current_step
        self._views = Follower(self, "follow_view", [view.center, view.zoom, step])
        self._sizes = Follower(self, "follow_size")

    def follow_view(self) -> None:
        """Another part is on view."""
        self._moved.start()

    def follow_size(self) -> None:
        """The image, or its pixel size, is another one."""
        self._size.showLayer(self.layer())
        self._moved.start()

    def _on_moved(self) -> None:
        if self._now.taught is not None:
            self._request()

    def _on_image(self, *_: object) -> None:
        layer = self.layer()
        names = () if layer is None else ("scale", "units", "metadata", "data")
        self._sizes.follow([getattr(layer.events, name) for name in names])
        self.box.setImage(layer)
        self.follow_size()
        self._refresh()

    def _on_start(self) -> None:
        self.box.showWords(shown=self.start_from.inWords())
        self._on_changed()

    def _on_changed(self, *_: object) -> None:
        self._refresh()
        if not (self._options.problem() or self.start_from.problem()):
            self.valueChanged.emit(self.value())
        self._request()

    def _on_field_wanted(self, plane: Plane) -> None:
        if self._field is not None:
            return
        device, values = self._options.device(), self.box.values()
        request = FieldRequest(self._work, self.value(), device, plane, values)
        self._field = Job("Read the image", partial(jobs.field_job, request), self)
        self._field.returned.connect(self.box.addField)
        self._field.failed.connect(self._on_failed)
        self._field.finished.connect(self._on_field_over)
        self._field.start()

    def _on_field_over(self) -> None:
        job, self._field = self._field, None
        if job is not None:
            job.deleteLater()

    def _on_closed(self) -> None:
        self.live.job.cancel()
        if self._field is not None:
            self._field.cancel()

    def _on_live(self, live: bool) -> None:
        if live and self.live.status.text().startswith("Not"):
            self._request()

    def _request(self, *, now: bool = False) -> None:
        if self.control.isRunning() or not self.box.painting.layers():
            return
        if not (now or self._buttons.live.isChecked()):
            self.live.status.setText(_STALE)
            return
        if self._options.problem() or self.start_from.problem():
            return
        request = self.made(self.request)
        if request is not None:
            self.live.clear()
            self.live.job.request(partial(jobs.teach_job, request), now=now)

    def _on_busy(self, busy: bool) -> None:
        if busy:
            self.live.status.setText("Learning...")

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Counted):
            self.box.table.showCounts(event.counts)
            self.box.showModel(with_known(self.box.value(), event.classes, event.known))
        elif isinstance(event, ViewDone):
            self.box.painting.show_mask(event.layer)

    def _on_taught(self, now: TaughtNow) -> None:
        self._now = now
        if not now.deeper:
            self._deeper = None
        self.live.status.setText(now.missing or f"Up to date{', learned deeper' * now.deeper}")
        self.box.table.showScore(now.score)
        self._refresh()
        self.updated.emit()

    def _on_live_failed(self, error: Exception) -> None:
        self.live.showMessage(plain(error), Level.ERROR, error)
        self.live.status.setText("Not up to date")

    def _on_running(self, running: bool) -> None:
        if running:
            self.live.drop()
        self._refresh()
        if not running and self.live.status.text() == "Learning...":
            self._request()

    def _on_result(self, outcome: Outcome) -> None:
        if isinstance(outcome, LearnedDeeper):
            self._deeper = outcome
            if outcome.layer is not None:
                self.box.painting.show_mask(outcome.layer)
            said = "Save as model... keeps it. The next stroke goes on with the quick model."
            self.control.summarise(f"Learned deeper from {outcome.strokes} strokes. {said}")
            self.live.status.setText("Up to date, learned deeper")
        elif isinstance(outcome, ModelSaved):
            remember_model(str(outcome.path))
            self._model.use.setModel(outcome.path)
            self.control.summarise(f"Saved as {outcome.path}.")
        elif isinstance(outcome, StrokesSaved):
            self._folder = outcome.folder
            self.control.summarise(f"Strokes of {outcome.images} images saved in {outcome.folder}.")
        else:
            self._folder = outcome.folder
            self.box.open(outcome)
            self.control.summarise(f"Strokes of {len(outcome.fields)} images opened.")
        self.finished.emit()

    def _refresh(self, *_: object) -> None:
        busy = self.control.isRunning()
        self.box.refresh(busy=busy)
        self._model.setReady((self._now.taught is not None or self._deeper is not None) and not busy)
        super()._refresh()
