"""The dock widget Batch: layers, files and folders, one after the other, with a ledger on disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QWidget

from napari_construct.batch.entries import Entry
from napari_construct.batch.settings import BatchSettings
from napari_construct.batch.summary import in_words
from napari_construct.events import Doubt, Event
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.reading.places import is_file
from napari_construct.widgets.batch.inputs import BatchInputs
from napari_construct.widgets.batch.job import (
    BatchOutcome,
    BatchRequest,
    SourcesFound,
    batch_job,
    open_job,
    place_of,
)
from napari_construct.widgets.batch.outputs import BatchOutputs
from napari_construct.widgets.batch.target import OutputFolder, Replacing
from napari_construct.widgets.fields.controls import button
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.layout import boxed, fold, form, stacked
from napari_construct.widgets.fields.message_label import Level, Problem
from napari_construct.widgets.jobs import predictors as _predictors
from napari_construct.widgets.jobs.model_loader import ModelLoader
from napari_construct.widgets.jobs.predictors import LoadedModel, LoadModel, is_student
from napari_construct.widgets.jobs.workers import Job
from napari_construct.widgets.parts.cell_options import COLOUR_ONLY, CellOptions
from napari_construct.widgets.parts.dock import JobDock
from napari_construct.widgets.parts.dropped_images import sort_dropped
from napari_construct.widgets.parts.model_chooser import ModelChooser
from napari_construct.widgets.parts.navigation import show_step
from napari_construct.widgets.parts.next_steps import NextSteps
from napari_construct.widgets.parts.options import SegmentOptions
from napari_construct.widgets.parts.preferences import Preferences, preferences
from napari_construct.widgets.parts.recipes import batch_as_command, batch_as_python

if TYPE_CHECKING:
    import napari.viewer


class Batch(JobDock[BatchRequest, BatchOutcome]):
    """Edits one :class:`~napari_construct.batch.settings.BatchSettings` and runs it over many images.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered and where results of layers are added.
    load_model : callable, optional
        As ``widgets.jobs.predictors.load_any``; called in the job's thread only.
    """

    verb = "Run batch"
    cancelled = "Cancelled; the results so far are kept, and the next run goes on from there."
    recipes = batch_as_python, batch_as_command

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        *,
        load_model: LoadModel | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(viewer, parent)
        self._loaded = LoadedModel(load_model or _predictors.load_any)
        self._loader = ModelLoader(self._loaded, self)
        self._inputs = BatchInputs(viewer, self)
        self._model = ModelChooser(self)
        self._output = OutputFolder(self)
        self._outputs = BatchOutputs(self)
        self._replacing = Replacing(self)
        self._options = SegmentOptions(self)
        self._cells = CellOptions(self, channel=True)
        self._student = False
        self._next = NextSteps(viewer, self)
        self._build_layout()
        self._start_from(preferences())
        self._connect()
        self._on_model()

    def value(self) -> BatchSettings:
        """The settings on view."""
        return BatchSettings.checked(
            model=self._model.value(),
            segment=self._options.value(),
            cells=self._cells.joined(self._options.value()) if self._student else self._cells.value(),
            outputs=self._outputs.value(),
            device=self._options.device(),
        )

    def setValue(self, value: BatchSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._model.setValue(value.model)
        self._outputs.setValue(value.outputs)
        self._cells.setValue(value.cells)
        self._options.setValue(value.segment)
        self._options.setDevice(value.device)

    def output(self) -> str:
        """The output folder."""
        return self._output.value()

    def setOutput(self, folder: str) -> None:
        self._output.setValue(folder)

    def addPaths(self, paths: list[str]) -> None:
        """Add image files, stacks and folders."""
        self._inputs.addPaths(paths)

    def addLayer(self, layer: Any) -> None:
        """Add an image layer of the viewer, every plane of it."""
        self._inputs.addLayer(layer)

    def take(self, layer: Any, model: str, settings: SegmentSettings | CellSettings | None = None) -> None:
        """An image layer, with the model and the settings that suit it, from another step.

        The classes and the pixel size are those of one image, and stay behind.
        """
        self._model.setValue(model)
        if isinstance(settings, CellSettings):
            shared = self._cells.take(settings.changed(mpp=None), self._options.value())
            self._options.setValue(shared)
        elif settings is not None:
            self._options.setValue(settings.changed(classes=None, mpp=None))
        self.addLayer(layer)

    def request(self) -> BatchRequest:
        """What Run batch asks for."""
        settings = self.value()
        return BatchRequest(
            inputs=tuple(self._inputs.value()),
            settings=settings,
            output=Path(self.output()),
            get_predictor=self._loaded.getter(settings.model, settings.device),
            **self._replacing.value(),
        )

    def launch(self, request: BatchRequest) -> None:
        self.start("Batch", batch_job, request)

    def problem(self) -> Problem:
        if self._inputs.isEmpty():
            return Problem("Add images: files, folders or layers.")
        if not self.output():
            return Problem("Choose a folder for the results.")
        if said := self._said():
            return Problem(said, Level.WARNING)
        return self._loader.problem(self._model.value())

    def text(self, recipe: Callable[..., str]) -> str:
        inputs = self._inputs.value()
        paths = [given for given in inputs if isinstance(given, Path)]
        if self.control.blockedReason() or len(paths) < len(inputs):
            self.control.showMessage("Only a batch of files and folders can be repeated outside of napari.")
            return ""
        ways = self._replacing.value()
        return recipe(paths, self.value(), Path(self.output()), student=self._student, **ways)

    def takeDropped(self, paths: list[Path]) -> str:
        """Add images and folders; a checkpoint becomes the model."""
        found = sort_dropped(paths)
        if found.models:
            self._model.setValue(str(found.models[-1]))
        wanted = [path for path in paths if path in found.images or path in found.folders]
        if wanted:
            self.addPaths([str(path) for path in wanted])
        return refused(found.others, f"images, folders, or a checkpoint ({SUFFIX})")

    def _build_layout(self) -> None:
        rows = form()
        rows.addRow("Model", self._model)
        rows.addRow("Output", self._output)
        inside = QWidget(self)
        stacked(inside, self._replacing, self._options)
        options = fold("Options", "Earlier results, and options of every segmentation", inside, self)
        self._cells_box = boxed("Cells", self._cells)
        self._cells_box.hide()
        self._lay_out(self._inputs, rows, self._outputs, self._cells_box, options, grows=self._inputs)
        tip = "Open the folder with the results"
        self._next.addLine("Next:", button("Open the folder", tip, self._on_open_folder, self))
        tip = "Train a model on your own tissue"
        train = button("Train", tip, self._on_train, self, name="Train on my own tissue")
        self._wrong = self._next.addLine("Looks wrong:", train)
        self._offer(self._next)

    def _start_from(self, chosen: Preferences) -> None:
        self._options.setValue(chosen.settings())
        self._options.setDevice(chosen.device)
        if chosen.model:
            self._model.setValue(chosen.model)

    def _connect(self) -> None:
        self._inputs.opened.connect(self._on_opened)
        self._inputs.warningsRequested.connect(self._on_warnings)
        self._inputs.valueChanged.connect(self._refresh)
        for other in (self._inputs.valueChanged, self._output.valueChanged, self._model.valueChanged):
            other.connect(self._forget)
        self._loader.loaded.connect(self._on_kind)
        self._loader.loaded.connect(self._options.showModel)
        self._loader.changed.connect(self._refresh)
        self._output.valueChanged.connect(self._refresh)
        self._model.valueChanged.connect(self._on_model)
        self._options.valueChanged.connect(self._on_changed)
        self._outputs.valueChanged.connect(self._on_changed)
        self._cells.valueChanged.connect(self._on_changed)

    def _on_model(self, *_: object) -> None:
        """Load the model ahead: its defaults are shown, and a broken file is reported at once."""
        self._options.showModel(None)
        self._loader.load(self._model.value(), self._options.device())
        self._on_changed()

    def _on_kind(self, predictor: object) -> None:
        """Show what applies to the model: what counts as a cell, or how classes are found."""
        self._student = is_student(predictor)
        self._cells_box.setVisible(self._student)
        for part in self._wrong:
            part.setVisible(not self._student)
        for key in COLOUR_ONLY:
            self._options.setRowVisible(key, not self._student)
        self._outputs.setStudent(self._student)

    def _forget(self, *_: object) -> None:
        """Take back what was said of another batch."""
        self.control.forget()

    def _on_changed(self, *_: object) -> None:
        self._refresh()
        if not self._said():
            self.valueChanged.emit(self.value())

    def _said(self) -> str:
        """Why the values on view are no settings, or nothing."""
        if not self._outputs.value():
            return "Tick what is to be written."
        return self._options.problem() or (self._cells.problem() if self._student else "")

    def _on_event(self, event: Event) -> None:
        if isinstance(event, SourcesFound):
            self._inputs.showImages(event.items)
        entry = getattr(event, "entry", None)
        if isinstance(entry, Entry):
            self._inputs.showEntry(entry)
        else:
            self._inputs.showProgress(event)

    def _on_running(self, running: bool) -> None:
        if not running:
            self._inputs.showStopped()

    def _on_result(self, outcome: BatchOutcome) -> None:
        report = outcome.report
        for entry in report.entries:
            self._inputs.showEntry(entry)
        text = f"{len(report.done)} of {len(report.entries)} done"
        if report.resumed:
            text += f", {len(report.resumed)} of them before"
        notices = [Doubt(f"{len(report.failed)} failed; their rows say why.")] if report.failed else []
        if report.warned:
            said = f"{len(report.warned)} with warnings; double-click their number to read them."
            notices.append(Doubt(said))
        tables = "" if report.cells is None else f", {report.cells.name}"
        if report.done:
            text += f". Over all: {in_words(report.totals)}"
        self.control.summarise(f"{text}. Results{tables} and batch.csv are in {report.output}.", notices)
        self._adder.add(outcome.layers)
        self._next.offer()

    def _on_open_folder(self, *_: object) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(self.output()).absolute())))

    def _on_train(self, *_: object) -> None:
        show_step(self._viewer, "train")

    def _on_warnings(self, entry: Entry) -> None:
        """Show what was said about an image."""
        self.control.showMessage("\n".join((f"{entry.name}:", *entry.warnings)))

    def _on_opened(self, entry: Entry) -> None:
        """Open an image, with its result where there is one."""
        if entry.error:
            self.control.showMessage(entry.error, Level.WARNING)
            return
        if not is_file(place_of(entry.key)[0]):  # a layer, or a folder
            return
        job = Job("Open an image", partial(open_job, entry, Path(self.output())), self)
        job.returned.connect(self._adder.add)
        job.failed.connect(self._on_failed)
        job.finished.connect(job.deleteLater)
        job.start()
