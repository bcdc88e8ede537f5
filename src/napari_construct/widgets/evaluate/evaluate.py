"""The dock widget Evaluate: how good labels are, or a model on folders of images and masks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.data.masks import find_pairs
from napari_construct.exceptions import ConstructError
from napari_construct.widgets.evaluate.input import EvaluateInput
from napari_construct.widgets.evaluate.job import (
    Evaluated,
    folders_job,
    image_job,
    layer_pair,
    layers_job,
    load_libraries,
)
from napari_construct.widgets.evaluate.outcome import EvaluateOutcome
from napari_construct.widgets.evaluate.recipes import (
    folders_as_command,
    folders_as_python,
    layers_as_python,
)
from napari_construct.widgets.evaluate.settings import EvaluateSettings
from napari_construct.widgets.fields.layout import column, fill_dock
from napari_construct.widgets.fields.message_label import Level, plain
from napari_construct.widgets.jobs.ahead import Ahead
from napari_construct.widgets.jobs.run_control import RunControl
from napari_construct.widgets.layers.adding import LayerAdder
from napari_construct.widgets.parts.copy_row import CopyRow

if TYPE_CHECKING:
    import napari.viewer


class Evaluate(QWidget):
    """Edits one ``EvaluateSettings`` and compares a prediction with the truth.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose labels layers are offered and where error maps are added.
    """

    valueChanged = Signal(object)
    finished = Signal()
    """The layers of a run have been added."""

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._input = EvaluateInput(viewer, self)
        self._outcome = EvaluateOutcome(self)
        self._control = RunControl("Evaluate", self)
        self._copy_row = CopyRow(self, "Copy this evaluation as {}: pasted back it gives the same scores")
        self._adder = LayerAdder(viewer, self)
        self._ahead = Ahead(load_libraries, self)
        layout = column(self)
        layout.addWidget(self._input)
        layout.addWidget(self._outcome)
        layout.addStretch(1)
        fill_dock(self, layout, self._control, self._copy_row)
        self._connect()
        self._refresh()

    def value(self) -> EvaluateSettings:
        """The settings on view.

        Raises
        ------
        ValueError
            If they cannot be; Evaluate is then disabled and says why.
        """
        return self._input.value()

    def setValue(self, value: EvaluateSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._input.setValue(value)

    def setLayers(self, prediction: Any, truth: Any) -> None:
        """Choose two labels layers."""
        self._input.prediction.setLayer(prediction)
        self._input.truth.setLayer(truth)

    def setFolders(self, images: str, masks: str = "") -> None:
        """Choose images and masks; without the latter they lie in img and mask inside."""
        self._input.images.setValue(images)
        self._input.masks.setValue(masks)

    @property
    def outcome(self) -> EvaluateOutcome:
        """Scores, confusion matrix and images."""
        return self._outcome

    @property
    def control(self) -> RunControl:
        """Progress and messages of the run."""
        return self._control

    def run(self) -> None:
        """Start, as the button does; nothing happens while something is missing or already running."""
        if self._control.isRunning() or self._control.blockedReason():
            return
        try:
            settings = self.value()
            if settings.mode == "layers":
                pair = layer_pair(self._input.prediction.layer(), self._input.truth.layer())
                job = partial(layers_job, pair, settings)
            else:
                job = partial(folders_job, *self._input.folders(), settings)
        except (ConstructError, ValueError) as error:
            self._on_failed(error)
            return
        self._control.run("Evaluate", job)

    def openImage(self, name: str) -> None:
        """Open an image of the folders with truth, prediction and errors."""
        scored = self._outcome.scored()
        if self._control.isRunning() or scored is None or scored.report is None:
            return
        try:
            settings = self.value()
            pairs = {image.name: (image, mask) for image, mask in find_pairs(*self._input.folders())}
        except (ConstructError, ValueError) as error:
            self._on_failed(error)
            return
        if name in pairs:
            job = partial(image_job, *pairs[name], settings, scored.report.classes)
            self._control.run("Open an image with its errors", job)

    def cancel(self) -> None:
        """Stop after the tile at hand, as the button does."""
        self._control.cancel()

    def isRunning(self) -> bool:
        """Whether a job runs or its layers are still being added."""
        return self._control.isRunning() or self._adder.isActive()

    def isPreparing(self) -> bool:
        """Whether libraries are being loaded that a run would otherwise wait for."""
        return self._ahead.isActive()

    def message(self) -> str:
        return self._control.message()

    def _connect(self) -> None:
        self._input.valueChanged.connect(self._on_changed)
        self._outcome.opened.connect(self.openImage)
        self._outcome.said.connect(self._control.showMessage)
        self._outcome.failed.connect(self._on_failed)
        self._control.runRequested.connect(self.run)
        self._control.returned.connect(self._on_returned)
        self._adder.finished.connect(self.finished)
        self._copy_row.pythonRequested.connect(self._copy_python)
        self._copy_row.commandRequested.connect(self._copy_command)

    def _on_changed(self) -> None:
        if self._input.mode.get() == "folders":
            self._ahead.start()
        self._refresh()
        if not (self._control.blockedReason() or self._input.options.problem()):
            self.valueChanged.emit(self.value())

    def _refresh(self) -> None:
        """Enable Evaluate, or say what is missing."""
        problem = self._input.problem()
        self._control.setBlocked(problem or self._input.options.problem())

    def _on_failed(self, error: Exception) -> None:
        self._control.showMessage(plain(error), Level.ERROR, error)

    def _on_returned(self, result: Evaluated | list[Any]) -> None:
        if isinstance(result, list):
            self._adder.add(result)
            return
        scored = result.scored
        self._outcome.showScored(scored)
        mean = scored.rows()[-1][1]
        words, notices = f"Done: mIoU {mean} %", []
        if scored.content is not None:
            words += f" over {len(scored.content['images'])} images"
            failures = scored.content["failures"]
            notices = [f"{len(failures)} not scored: {failures[0]['error']}"] if failures else []
        self._control.summarise(f"{words}.", notices)
        self._adder.add(result.layers)

    def _copy_python(self, *_: object) -> None:
        self._copy(command=False)

    def _copy_command(self, *_: object) -> None:
        self._copy(command=True)

    def _copy(self, *, command: bool) -> None:
        if self._control.blockedReason():
            return
        try:
            settings = self.value()
            if settings.mode == "folders":
                recipe = folders_as_command if command else folders_as_python
                text = recipe(*self._input.folders(), settings)
            elif command:
                self._control.showMessage("Layers can be compared in napari only: copy as Python.")
                return
            else:
                pair = layer_pair(self._input.prediction.layer(), self._input.truth.layer())
                text = layers_as_python(pair, settings)
        except (ConstructError, ValueError) as error:
            self._on_failed(error)
            return
        if self._copy_row.copy(text):
            self._control.showMessage("Copied to the clipboard.")
