"""The dock widget Teach: paint examples of classes, and the mask of what is on view follows every stroke."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Labels, Points, Shapes
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_construct.classes import ClassTable
from napari_construct.events import Event
from napari_construct.exceptions import ConfigurationError
from napari_construct.teaching.settings import TeachSettings
from napari_construct.widgets.fields.controls import named, wrapped_label
from napari_construct.widgets.fields.layout import boxed, fold, form, stacked
from napari_construct.widgets.fields.message_label import Level, Problem, plain
from napari_construct.widgets.jobs.live_control import LiveControl
from napari_construct.widgets.jobs.workers import Job
from napari_construct.widgets.layers import camera, recolour
from napari_construct.widgets.layers.follower import Follower
from napari_construct.widgets.layers.strokes import set_used
from napari_construct.widgets.parts.class_colours import give_colours, in_known_colours
from napari_construct.widgets.parts.class_table import ClassTableEditor
from napari_construct.widgets.parts.dock import NO_IMAGE, JobDock
from napari_construct.widgets.parts.dropped_images import open_dropped, sort_dropped
from napari_construct.widgets.parts.known_models import remember_model
from napari_construct.widgets.parts.layer_chooser import LayerChooser
from napari_construct.widgets.parts.pixel_size_row import PixelSizeRow
from napari_construct.widgets.teach import job as jobs
from napari_construct.widgets.teach.brush import take_drawn
from napari_construct.widgets.teach.buttons import LiveButtons, ModelButtons, StrokesButtons
from napari_construct.widgets.teach.files import open_strokes_job, opened_layers, save_strokes_job
from napari_construct.widgets.teach.options import TeachOptions
from napari_construct.widgets.teach.painting import Painting
from napari_construct.widgets.teach.recipes import TaughtFrom, teach_as_command, teach_as_python
from napari_construct.widgets.teach.requests import (
    Counted,
    FieldRequest,
    LearnedDeeper,
    ModelSaved,
    Outcome,
    SaveRequest,
    StrokesOpened,
    StrokesRequest,
    StrokesSaved,
    TaughtNow,
    TeachRequest,
    ViewDone,
)
from napari_construct.widgets.teach.start import StartChooser, first_classes, with_known
from napari_construct.widgets.teach.strokes_table import StrokesTable
from napari_construct.widgets.teach.work import MakeSession, TeachWork, make_session

if TYPE_CHECKING:
    import napari.viewer

_MOVED_MS: Final = 250
"""From the last move of the view to its mask."""

_HINT: Final = "Click a class, then paint on the image. Keys: 1 to 9 class, E erase, P paint, Ctrl+Z back."
_STALE: Final = "Not up to date: press Update once"
_CANCELLED: Final = "Not up to date: cancelled, the mask is as before"
_NOTHING: Final = Problem("Paint strokes of two classes first, or of one beside those of a model.")


class Teach(JobDock[TeachRequest, Outcome]):
    """Edits one :class:`~napari_construct.teaching.settings.TeachSettings` and learns from what is painted.

    Strokes are painted on labels layers of their own, with napari's tools; their pixels are never changed here. What
    is on view of the chosen image is repainted after every stroke, and after every undo. Run trains a network of its
    own on the strokes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose images are painted on.
    make_session : callable, optional
        As ``teaching.session.TeachSession``; called in the job's thread only.

    Attributes
    ----------
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
        self._row = 0
        self._keys: list[str] = []
        self._former = in_known_colours(first_classes(in_words=False))
        self._painting = Painting(viewer, self._former)
        self._image = named(LayerChooser(viewer, self), "Image layer", "The image to paint on and to look at")
        self._size = PixelSizeRow(self)
        self.start_from = StartChooser(self)
        self.classes = ClassTableEditor(self)
        self.classes.setFree(True)
        self.classes.setValue(self._former)
        self._tools = StrokesButtons(viewer, self)
        self.table = StrokesTable(self)
        self._options = TeachOptions(self)
        self.live = LiveControl("Teach", self, cancelled=_CANCELLED)
        self._buttons = LiveButtons(self)
        self._model = ModelButtons(viewer, self)
        self._moved = QTimer(self)
        self._moved.setSingleShot(True)
        self._moved.setInterval(_MOVED_MS)
        self._build_layout()
        self._connect()
        self.follow_layers()
        self._on_image()

    def value(self) -> TeachSettings:
        """The settings on view.

        Raises
        ------
        ConfigurationError
            If they contradict each other.
        """
        table = self._table()
        return self._options.value().changed(classes=table, start=self.start_from.value(table))

    def setValue(self, value: TeachSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self.classes.setValue(value.classes)
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
        table = self._table()
        values, view = self._painting.values.of(table), self._painting.view(self.layer())
        deeper = None if self._deeper is None else self._deeper.predictor
        painted = self._painting.painted()
        return TeachRequest(self._work, self.value(), self._options.device(), painted, values, view, deeper)

    def launch(self, request: TeachRequest) -> None:
        self.start("Learn deeper", jobs.deeper_job, request)

    def problem(self) -> Problem:
        said = self._options.problem() or self.start_from.problem()
        if said:
            return Problem(said, Level.WARNING)
        if self.layer() is None and not self._painting.layers():
            return NO_IMAGE
        return _NOTHING if self._now.taught is None else Problem("")

    def text(self, recipe: Callable[[TaughtFrom], str]) -> str:
        settings = self.value().changed(deeper=self._deeper is not None)
        if self._folder is None:
            self.control.showMessage("Save the strokes first: a script can name files only.")
            return ""
        return recipe(TaughtFrom(self._folder, settings, self._options.device()))

    def paint(self, *_: object) -> None:
        """Paint with the selected class, on a layer that is made where there is none."""
        image = self.layer()
        if image is None or self._field is not None:
            return
        found = self.made(partial(self._painting.to_paint, image))
        if isinstance(found, Labels):
            self._take_up(found)
        elif found is not None:
            values = self._painting.values.of(self._table())
            request = FieldRequest(self._work, self.value(), self._options.device(), found, values)
            self._field = Job("Read the image", partial(jobs.field_job, request), self)
            self._field.returned.connect(self._on_field)
            self._field.failed.connect(self._on_failed)
            self._field.finished.connect(self._on_field_over)
            self._field.start()

    def update_once(self, *_: object) -> None:
        """Fit anew and repaint the part on view, as the button does."""
        self._request(now=True)

    def save(self, path: Path) -> None:
        """Write the model as a checkpoint."""
        model = self._now.taught if self._deeper is None else self._deeper.checkpoint
        if model is not None:
            self.start("Save the model", jobs.save_job, SaveRequest(Path(path), model, self._now.score))

    def saveStrokes(self, folder: Path) -> None:
        """Write the strokes into a folder."""
        painted, values = self._painting.painted(), self._painting.values.of(self._table())
        request = StrokesRequest(Path(folder), self.value(), painted, values)
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
        more = [f"{path.name}: expected images, strokes, or a checkpoint" for path in found.others]
        return "\n".join(filter(None, (open_dropped(self._viewer, found.images), *more)))

    def _table(self) -> ClassTable:
        return self.classes.value() or self._former

    def _build_layout(self) -> None:
        rows, head = form(), QWidget(self)
        rows.addRow("Image", self._image)
        rows.addRow("Start from", self.start_from)
        stacked(head, rows, self._size)
        classes = QWidget(self)
        hint = wrapped_label("How to paint", "Which keys do what on a layer of strokes", self, _HINT)
        stacked(classes, self.classes, hint, self._tools)
        options = fold("Options", "Device, resolution, and how it is learned", self._options, self)
        parts = (head, boxed("Classes", classes), boxed("Strokes", self.table), options)
        self._lay_out(*parts, above=(self.live, self._buttons), below=(self._model,))

    def _connect(self) -> None:
        self._image.layerChanged.connect(self._on_image)
        self.start_from.valueChanged.connect(self._on_start)
        self.classes.valueChanged.connect(self._on_table)
        self.classes.failed.connect(self._on_failed)
        self.classes.classClicked.connect(self._on_class)
        self._options.valueChanged.connect(self._on_changed)
        self._tools.paintRequested.connect(self.paint)
        self._tools.drawnRequested.connect(self._on_drawn)
        self._tools.saveRequested.connect(self.saveStrokes)
        self._tools.openRequested.connect(self.openStrokes)
        self.table.usedChanged.connect(self._on_used)
        self.table.chosen.connect(self._take_up)
        self.table.removed.connect(self._on_remove)
        self._buttons.once.connect(self.update_once)
        self._buttons.liveChanged.connect(self._on_live)
        self._model.saveRequested.connect(self.save)
        self.live.progressed.connect(self._on_event)
        self.live.returned.connect(self._on_taught)
        self.live.job.failed.connect(self._on_live_failed)
        self.live.job.busyChanged.connect(self._on_busy)
        self.live.job.busyChanged.connect(self.busyChanged)
        self.closed.connect(self.live.job.cancel)
        self._moved.timeout.connect(self._on_moved)
        view, events = camera(self._viewer).events, self._viewer.layers.events
        self._layers = Follower(self, "follow_layers", [events.inserted, events.removed, events.renamed])
        self._views = Follower(
            self, "follow_view", [view.center, view.zoom, self._viewer.dims.events.current_step]
        )
        self._strokes = Follower(self, "follow_strokes")
        self._labels = Follower(self, "follow_label")
        self._sizes = Follower(self, "follow_size")

    def follow_layers(self) -> None:
        """Layers came or went."""
        layers = self._painting.layers()
        before, self._keys = self._keys, [str(layer.unique_id) for layer in layers]
        self._strokes.follow([signal for one in layers for signal in (one.events.paint, one.events.set_data)])
        self._labels.follow([one.events.selected_label for one in layers])
        self.table.showLayers(layers)
        self._refresh()
        if before != self._keys:
            self._request()

    def follow_strokes(self) -> None:
        """The user painted, or took a stroke back."""
        self._request()

    def follow_label(self) -> None:
        """A digit key chose another class."""
        row = self._painting.row_of(self._table())
        if row is not None:
            self._row = row
            self.classes.selectClass(row)

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
        self.follow_size()
        self._refresh()

    def _on_start(self) -> None:
        if self.start_from.inWords() and self._table().names == first_classes(in_words=False).names:
            self.classes.setValue(in_known_colours(first_classes(in_words=True)))
        self._on_changed()

    def _on_table(self, table: ClassTable | None) -> None:
        if table is None:
            return
        try:
            self._painting.values.follow(table)
        except ConfigurationError as error:
            self._on_failed(error)
            self.classes.setValue(self._former)
            return
        give_colours(self._former, table)
        self._former = table
        self._painting.style(table)
        recolour(self._viewer.layers, table)
        self._on_changed()

    def _on_class(self, row: int) -> None:
        self._row = row
        self.paint()

    def _on_changed(self, *_: object) -> None:
        self._refresh()
        if not self.problem().text or self._now.taught is None:
            value = self.made(self.value)
            if value is not None:
                self.valueChanged.emit(value)
        self._request()

    def _take_up(self, layer: Any) -> None:
        self._painting.take_up(layer, self._table(), self._row)
        self.classes.selectClass(self._row)

    def _on_field(self, layer: Labels) -> None:
        self._viewer.add_layer(layer)
        self._painting.style(self._table())
        self._take_up(layer)

    def _on_field_over(self) -> None:
        job, self._field = self._field, None
        if job is not None:
            job.deleteLater()
        self.finished.emit()

    def _on_drawn(self, layer: Points | Shapes) -> None:
        image = self.layer()
        target = None if image is None else self.made(partial(self._painting.to_paint, image))
        if not isinstance(target, Labels):
            self.control.showMessage(
                "Press Paint first: points and shapes are painted onto a layer of strokes."
            )
            return
        table = self._table()
        value = self._painting.values.of(table)[table.names[min(self._row, len(table) - 1)]]
        self.made(lambda: take_drawn(layer, target, value, self._viewer.layers))

    def _on_used(self, layer: Any, used: bool) -> None:
        set_used(layer, used=used)
        self._request()

    def _on_remove(self, layer: Any) -> None:
        said = f"Remove {layer.name}? What was painted on it is lost."
        if QMessageBox.question(self, "Remove strokes", said) == QMessageBox.StandardButton.Yes:
            self._viewer.layers.remove(layer)

    def _on_live(self, live: bool) -> None:
        if live and self.live.status.text().startswith("Not"):
            self._request()

    def _request(self, *, now: bool = False) -> None:
        if self.control.isRunning() or not self._painting.layers():
            return
        if not (now or self._buttons.live.isChecked()):
            self.live.status.setText(_STALE)
            return
        request = None if self._options.problem() or self.start_from.problem() else self.made(self.request)
        if request is not None:
            self.live.clear()
            self.live.job.request(partial(jobs.teach_job, request), now=now)

    def _on_busy(self, busy: bool) -> None:
        if busy:
            self.live.status.setText("Learning...")

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Counted):
            self.table.showCounts(event.counts)
            self.classes.setValue(with_known(self._table(), event.classes, event.known))
        elif isinstance(event, ViewDone):
            self._painting.show_mask(event.layer)

    def _on_taught(self, now: TaughtNow) -> None:
        self._now = now
        if not now.deeper:
            self._deeper = None
        what = "Up to date, learned deeper" if now.deeper else "Up to date"
        self.live.status.setText(now.missing or what)
        self.table.showScore(now.score)
        self._refresh()
        self.updated.emit()

    def _on_live_failed(self, error: Exception) -> None:
        self.live.showMessage(plain(error), Level.ERROR, error)
        self.live.status.setText("Not up to date")

    def _on_running(self, running: bool) -> None:
        if running:
            self.live.drop()
        self._refresh()

    def _on_result(self, outcome: Outcome) -> None:
        if isinstance(outcome, LearnedDeeper):
            self._deeper = outcome
            if outcome.layer is not None:
                self._painting.show_mask(outcome.layer)
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
            self._on_opened(outcome)
        self.finished.emit()

    def _on_opened(self, opened: StrokesOpened) -> None:
        table = self._table()
        new = [one for one in opened.classes if one.name not in table.names]
        if not self._painting.layers() and table.names == first_classes(in_words=False).names:
            self.classes.setValue(opened.classes)
        elif new:
            self.classes.setValue(ClassTable(classes=(*table.classes, *new)))
        values = self._painting.values.of(self._table())
        for layer in opened_layers(opened, self._table(), values, self._viewer.layers):
            self._viewer.add_layer(layer)
        self._folder = opened.folder
        self.control.summarise(f"Strokes of {len(opened.fields)} images opened.")

    def _refresh(self, *_: object) -> None:
        busy = self.control.isRunning()
        self._tools.setReady(
            image=self.layer() is not None, strokes=bool(self._painting.layers()) and not busy
        )
        ready = self._now.taught is not None or self._deeper is not None
        self._model.setReady(ready and not busy)
        super()._refresh()
