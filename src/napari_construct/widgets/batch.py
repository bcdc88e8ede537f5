"""The dock widget Batch: layers, files and folders, one after the other, with a ledger on disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_construct.batch.ledger import Entry
from napari_construct.batch.settings import BatchSettings
from napari_construct.events import Event
from napari_construct.exceptions import ConstructError
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets import _predictors
from napari_construct.widgets._batch_job import (
    BatchOutcome,
    LayerInput,
    SourcesFound,
    batch_steps,
    layer_input,
    open_steps,
    place_of,
)
from napari_construct.widgets._copy_row import CopyRow
from napari_construct.widgets._item_table import ItemTable
from napari_construct.widgets._layer_adder import LayerAdder
from napari_construct.widgets._layers import is_source
from napari_construct.widgets._message_label import Level
from napari_construct.widgets._messages import plain
from napari_construct.widgets._model_chooser import ModelChooser
from napari_construct.widgets._options import SegmentOptions
from napari_construct.widgets._predictors import LoadedModel, LoadModel
from napari_construct.widgets._recipes import batch_as_command, batch_as_python
from napari_construct.widgets._run_control import RunControl
from napari_construct.widgets._scroll import VerticalScroll
from napari_construct.widgets._workers import Job

if TYPE_CHECKING:
    import napari.viewer

_OUTPUTS: Final = {
    "mask": ("Masks", "TIFF: a label image of each image; of a stack also one of all planes"),
    "overlay": ("Overlays", "PNG: the mask drawn over the image, to look through quickly"),
    "cams": ("CAMs", "OME-TIFF: the class activation maps"),
    "zarr": ("OME-Zarr", "Image and labels as pyramids, for web viewers and very large images"),
}


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
        self._inputs: dict[str, Path | LayerInput] = {}
        self._segment = SegmentSettings()
        self._items = ItemTable(self)
        self._model = ModelChooser(self)
        self._output = self._build_output()
        self._outputs = self._build_outputs()
        self._restart = QCheckBox("Do everything again", self)
        self._restart.setToolTip("Without a tick a run goes on where it stopped: what is done stays done")
        self._restart.setAccessibleName("Do everything again")
        self._options = SegmentOptions(self)
        self._control = RunControl("Run batch", self)
        self._adder = LayerAdder(viewer, self)
        self._copy_row = CopyRow(self)
        self._build_layout()
        self._connect()
        self._refresh()

    def value(self) -> BatchSettings:
        """The settings on view."""
        segment = self._segment.changed(**self._options.value())
        outputs = [kind for kind, box in self._outputs.items() if box.isChecked()]
        return BatchSettings.model_validate(
            {"model": self._model.value(), "segment": segment, "outputs": outputs}
        )

    def setValue(self, value: BatchSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._segment = value.segment
        self._model.setValue(value.model)
        for kind, box in self._outputs.items():
            box.setChecked(kind in value.outputs)
        self._options.setValue(value.segment)

    def output(self) -> str:
        """The output folder."""
        return self._output.text().strip()

    def setOutput(self, folder: str) -> None:
        self._output.setText(folder)

    def addPaths(self, paths: list[str]) -> None:
        """Add image files, stacks and folders."""
        self._inputs |= {str(path): Path(path) for path in paths}
        self._show_inputs()

    def addLayer(self, layer: Any) -> None:
        """Add an image layer, every plane of it."""
        given = layer_input(layer)
        self._inputs[given.name] = given
        self._show_inputs()

    def run(self) -> None:
        """Start, as the button does."""
        if self._control.isRunning() or self._control.blockedReason():
            return
        try:
            settings = self.value()
        except (ConstructError, ValueError) as error:
            self._control.showMessage(plain(error), Level.ERROR, error)
            return
        inputs, output = list(self._inputs.values()), Path(self.output())
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

    def _build_outputs(self) -> dict[str, QCheckBox]:
        boxes = {}
        for kind, (words, tip) in _OUTPUTS.items():
            boxes[kind] = QCheckBox(words, self)
            boxes[kind].setToolTip(tip)
            boxes[kind].setAccessibleName(words)
            boxes[kind].setChecked(kind in BatchSettings().outputs)
        return boxes

    def _button(self, text: str, tip: str, slot: Any) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.clicked.connect(slot)
        return button

    def _build_layout(self) -> None:
        add = QGridLayout()
        buttons = [
            self._button("Files...", "Add image files and stacks", self._ask_files),
            self._button("Folder...", "Add a folder, with the folders in it", self._ask_folder),
            self._button("Layers", "Add the selected image layers, or all of them", self._add_layers),
            self._button("Remove", "Take the selected rows off the list", self._remove),
        ]
        for i, button in enumerate(buttons):
            button.setStyleSheet("QPushButton { padding: 3px; }")
            add.addWidget(button, 0, i)
        folder = QHBoxLayout()
        folder.addWidget(self._output, 1)
        folder.addWidget(self._button("Choose...", "Choose the output folder", self._ask_output))
        boxes = QGridLayout()
        for i, box in enumerate(self._outputs.values()):
            boxes.addWidget(box, i // 2, i % 2)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model", self._model)
        form.addRow("Output", folder)
        fold = QCollapsible("Options", self)
        fold.setDuration(0)
        fold.addWidget(self._options)
        fold.toggleButton().setToolTip("Options of every segmentation")
        fold.toggleButton().setAccessibleName("Options, shown or folded")
        fold.toggleButton().setStyleSheet("QPushButton { text-align: left; background: transparent; }")
        inside = QWidget(self)
        inside.setObjectName("inside")
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(0, 0, 6, 0)
        layout.addLayout(add)
        layout.addWidget(self._items, 1)
        layout.addLayout(form)
        layout.addLayout(boxes)
        layout.addWidget(self._restart)
        layout.addWidget(fold)
        outer = QVBoxLayout(self)
        outer.addWidget(VerticalScroll(inside, self), 1)
        outer.addWidget(self._control)
        outer.addWidget(self._copy_row)

    def _connect(self) -> None:
        self._items.opened.connect(self._on_opened)
        self._output.textChanged.connect(self._refresh)
        self._model.valueChanged.connect(self._on_changed)
        self._options.valueChanged.connect(self._on_changed)
        for box in self._outputs.values():
            box.toggled.connect(self._on_changed)
        self._control.runRequested.connect(self.run)
        self._control.progressed.connect(self._on_progress)
        self._control.returned.connect(self._on_returned)
        self._adder.finished.connect(self.finished)
        self._copy_row.pythonRequested.connect(self._copy_python)
        self._copy_row.commandRequested.connect(self._copy_command)

    def _on_changed(self, *_: object) -> None:
        self._refresh()
        if not self._problem():
            self.valueChanged.emit(self.value())

    def _problem(self) -> str:
        if not any(box.isChecked() for box in self._outputs.values()):
            return "Tick what is to be written."
        return self._options.problem()

    def _refresh(self, *_: object) -> None:
        """Enable Run, or say what is missing."""
        if not self._inputs:
            self._control.setBlocked("Add images: files, folders or layers.")
        elif not self._model.value():
            self._control.setBlocked("Choose a model: open a checkpoint file.")
        elif not self.output():
            self._control.setBlocked("Choose a folder for the results.")
        else:
            self._control.setBlocked(self._problem(), Level.WARNING)

    def _show_inputs(self) -> None:
        names = [
            (
                key,
                f"{given.name} ({len(given.planes)} planes)" if isinstance(given, LayerInput) else given.name,
            )
            for key, given in self._inputs.items()
        ]
        self._items.showItems(names)
        self._refresh()

    def _ask_files(self, *_: object) -> None:
        kinds = "Images (*.png *.jpg *.jpeg *.bmp *.tif *.tiff *.svs);;All files (*)"
        paths, _ = QFileDialog.getOpenFileNames(self, "Add images", "", kinds)
        self.addPaths(paths)

    def _ask_folder(self, *_: object) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Add a folder of images")
        if folder:
            self.addPaths([folder])

    def _ask_output(self, *_: object) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the results")
        if folder:
            self.setOutput(folder)

    def _add_layers(self, *_: object) -> None:
        chosen = [layer for layer in self._viewer.layers.selection if is_source(layer)]
        for layer in chosen or [layer for layer in self._viewer.layers if is_source(layer)]:
            self.addLayer(layer)

    def _remove(self, *_: object) -> None:
        """Off the list; after a run the list shows images again as they were added."""
        for key in self._items.selectedKeys():
            self._inputs.pop(key, None)
        self._show_inputs()

    def _on_progress(self, event: Event) -> None:
        if isinstance(event, SourcesFound):
            self._items.showItems(event.items)
        entry = getattr(event, "entry", None)
        if isinstance(entry, Entry):
            self._items.showEntry(entry)

    def _on_returned(self, outcome: BatchOutcome) -> None:
        report = outcome.report
        for entry in report.entries:
            self._items.showEntry(entry)
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
        paths = [given for given in self._inputs.values() if isinstance(given, Path)]
        if self._control.blockedReason() or len(paths) < len(self._inputs):
            self._control.showMessage("Only a batch of files and folders can be repeated outside of napari.")
            return
        try:
            text = recipe(paths, self.value(), Path(self.output()))
        except (ConstructError, ValueError) as error:
            self._control.showMessage(plain(error), Level.ERROR, error)
            return
        if self._copy_row.copy(text):
            self._control.showMessage("Copied to the clipboard.")
