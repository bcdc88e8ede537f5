"""The dock widget Batch: layers, files and folders, one after the other, with a ledger on disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_construct.batch.ledger import Entry
from napari_construct.batch.settings import BatchSettings
from napari_construct.events import Event
from napari_construct.exceptions import ConstructError
from napari_construct.widgets.batch.inputs import BatchInputs
from napari_construct.widgets.batch.job import (
    BatchOutcome,
    SourcesFound,
    batch_steps,
    open_steps,
    place_of,
)
from napari_construct.widgets.batch.outputs import BatchOutputs
from napari_construct.widgets.fields.layout import column, fill_dock, fold
from napari_construct.widgets.fields.message_label import Level, plain
from napari_construct.widgets.jobs import predictors as _predictors
from napari_construct.widgets.jobs.model_loader import ModelLoader, model_missing
from napari_construct.widgets.jobs.predictors import LoadedModel, LoadModel
from napari_construct.widgets.jobs.run_control import RunControl
from napari_construct.widgets.jobs.workers import Job
from napari_construct.widgets.layers.adding import LayerAdder
from napari_construct.widgets.parts.copy_row import CopyRow
from napari_construct.widgets.parts.model_chooser import ModelChooser
from napari_construct.widgets.parts.options import SegmentOptions
from napari_construct.widgets.parts.preferences import preferences
from napari_construct.widgets.parts.recipes import batch_as_command, batch_as_python

if TYPE_CHECKING:
    import napari.viewer


class Batch(QWidget):
    """Edits one :class:`~napari_construct.batch.settings.BatchSettings` and runs it over many images.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered and where results of layers are added.
    load_model : callable, optional
        As in ``inference.predictor``; called in the worker's thread only.
    """

    valueChanged = Signal(object)
    finished = Signal()

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        *,
        load_model: LoadModel | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._loaded = LoadedModel(load_model or _predictors.load_model)
        self._loader = ModelLoader(self._loaded, self)
        self._preferences = preferences()
        self._inputs = BatchInputs(viewer, self)
        self._model = ModelChooser(self)
        self._output = self._build_output()
        self._outputs = BatchOutputs(self)
        self._restart = QCheckBox("Do everything again", self)
        self._restart.setToolTip("Without a tick a run goes on where it stopped: what is done stays done")
        self._restart.setAccessibleName("Do everything again")
        self._options = SegmentOptions(self)
        self._control = RunControl("Run batch", self)
        self._adder = LayerAdder(viewer, self)
        self._copy_row = CopyRow(self)
        self._options.setValue(self._preferences.settings())
        self._options.setDevice(self._preferences.device)
        self._build_layout()
        self._connect()
        if self._preferences.model:
            self._model.setValue(self._preferences.model)
        self._on_model()

    def value(self) -> BatchSettings:
        """The settings on view."""
        return BatchSettings.checked(
            model=self._model.value(),
            segment=self._options.value(),
            outputs=self._outputs.value(),
            device=self._options.device(),
        )

    def setValue(self, value: BatchSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._model.setValue(value.model)
        self._outputs.setValue(value.outputs)
        self._options.setValue(value.segment)
        self._options.setDevice(value.device)

    def output(self) -> str:
        """The output folder."""
        return self._output.text().strip()

    def setOutput(self, folder: str) -> None:
        self._output.setText(folder)

    def addPaths(self, paths: list[str]) -> None:
        """Add image files, stacks and folders."""
        self._inputs.addPaths(paths)

    def addLayer(self, layer: Any) -> None:
        """Add an image layer of the viewer, every plane of it."""
        self._inputs.addLayer(layer)

    def run(self) -> None:
        """Start, as the button does."""
        if self._control.isRunning() or self._control.blockedReason():
            return
        try:
            settings = self.value()
        except (ConstructError, ValueError) as error:
            self._control.showMessage(plain(error), Level.ERROR, error)
            return
        inputs, output = self._inputs.value(), Path(self.output())
        steps = partial(batch_steps, inputs, settings, output, self._restart.isChecked(), self._loaded.get)
        self._control.run("Batch", steps)

    def cancel(self) -> None:
        """Stop; what is done stays done."""
        self._control.cancel()

    def isRunning(self) -> bool:
        return self._control.isRunning() or self._adder.isActive()

    def message(self) -> str:
        return self._control.message()

    @property
    def control(self) -> RunControl:
        """Progress and messages of the run."""
        return self._control

    def _build_output(self) -> QLineEdit:
        line = QLineEdit(self)
        line.setPlaceholderText("Folder for the results")
        line.setToolTip("Results, the ledger (batch.jsonl) and a table (batch.csv) are written here")
        line.setAccessibleName("Output folder")
        return line

    def _button(self, text: str, tip: str, slot: Any) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.clicked.connect(slot)
        return button

    def _build_layout(self) -> None:
        folder = QHBoxLayout()
        folder.addWidget(self._output, 1)
        folder.addWidget(self._button("Choose...", "Choose the output folder", self._ask_output))
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model", self._model)
        form.addRow("Output", folder)
        layout = column(self)
        layout.addWidget(self._inputs, 1)
        layout.addLayout(form)
        layout.addWidget(self._outputs)
        layout.addWidget(self._restart)
        layout.addWidget(fold("Options", "Options of every segmentation", self._options, self))
        fill_dock(self, layout, self._control, self._copy_row)

    def _connect(self) -> None:
        self._inputs.opened.connect(self._on_opened)
        self._inputs.valueChanged.connect(self._refresh)
        self._loader.loaded.connect(self._options.showModel)
        self._loader.changed.connect(self._refresh)
        self._output.textChanged.connect(self._refresh)
        self._model.valueChanged.connect(self._on_model)
        self._options.valueChanged.connect(self._on_changed)
        self._outputs.valueChanged.connect(self._on_changed)
        self._control.runRequested.connect(self.run)
        self._control.progressed.connect(self._on_progress)
        self._control.returned.connect(self._on_returned)
        self._adder.finished.connect(self.finished)
        self._copy_row.pythonRequested.connect(self._copy_python)
        self._copy_row.commandRequested.connect(self._copy_command)

    def _on_model(self, *_: object) -> None:
        """Load the model ahead: what suits it is known then, and a broken one is told now."""
        self._options.showModel(None)
        self._loader.load(self._model.value(), self._options.device())
        self._on_changed()

    def _on_changed(self, *_: object) -> None:
        self._refresh()
        if not self._problem():
            self.valueChanged.emit(self.value())

    def _problem(self) -> str:
        if not self._outputs.value():
            return "Tick what is to be written."
        return self._options.problem()

    def _refresh(self, *_: object) -> None:
        """Enable Run, or say what is missing."""
        model, error = self._model.value(), self._loader.error()
        if self._inputs.isEmpty():
            self._control.setBlocked("Add images: files, folders or layers.")
        elif not self.output():
            self._control.setBlocked("Choose a folder for the results.")
        elif problem := self._problem():
            self._control.setBlocked(problem, Level.WARNING)
        elif not model_missing(self._control, model, error, loading=self._loader.isLoading()):
            self._control.setBlocked("")

    def _ask_output(self, *_: object) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the results")
        if folder:
            self.setOutput(folder)

    def _on_progress(self, event: Event) -> None:
        if isinstance(event, SourcesFound):
            self._inputs.showImages(event.items)
        entry = getattr(event, "entry", None)
        if isinstance(entry, Entry):
            self._inputs.showEntry(entry)

    def _on_returned(self, outcome: BatchOutcome) -> None:
        report = outcome.report
        for entry in report.entries:
            self._inputs.showEntry(entry)
        text = f"{len(report.done)} of {len(report.entries)} done"
        if report.resumed:
            text += f", {len(report.resumed)} of them before"
        notices = [f"{len(report.failed)} failed; their rows say why."] if report.failed else []
        self._control.summarise(f"{text}. Results and batch.csv are in {report.output}.", notices)
        self._adder.add(outcome.layers)

    def _on_opened(self, entry: Entry) -> None:
        """Open an image, with its result where there is one."""
        if entry.error:
            self._control.showMessage(entry.error, Level.WARNING)
            return
        if not place_of(entry.key)[0].is_file():  # a layer, or a folder
            return
        job = Job("Open an image", partial(open_steps, entry, Path(self.output())), self)
        job.returned.connect(self._adder.add)
        job.failed.connect(self._on_open_failed)
        job.finished.connect(job.deleteLater)
        job.start()

    def _on_open_failed(self, error: Exception) -> None:
        self._control.showMessage(plain(error), Level.ERROR, error)

    def _copy_python(self, *_: object) -> None:
        self._copy(batch_as_python)

    def _copy_command(self, *_: object) -> None:
        self._copy(batch_as_command)

    def _copy(self, recipe: Any) -> None:
        inputs = self._inputs.value()
        paths = [given for given in inputs if isinstance(given, Path)]
        if self._control.blockedReason() or len(paths) < len(inputs):
            self._control.showMessage("Only a batch of files and folders can be repeated outside of napari.")
            return
        self._copy_row.copyMade(
            lambda: recipe(paths, self.value(), Path(self.output())), self._control.showMessage
        )
