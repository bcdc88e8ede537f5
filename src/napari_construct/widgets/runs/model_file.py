"""The file of a model that a run writes: a path, and whether a run is resumed or a model replaced."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.models.checkpoints.locations import SUFFIX, with_suffix
from napari_construct.reading.places import is_file, is_folder
from napari_construct.training.loop.identity import state_path
from napari_construct.widgets.fields.controls import tick
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.fields.path_row import PathRow


class ModelFile(QWidget):
    """Two ticks, of which those that make sense are on view; the path's row is placed by the owner.

    Parameters
    ----------
    tip : str
        Tooltip of the path.

    Attributes
    ----------
    row : PathRow
        The path.
    """

    changed = Signal()
    """Another file, or another choice to resume or replace."""

    def __init__(self, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        kinds = f"Models (*{SUFFIX})"
        self.row = PathRow("Model file", tip, ("save",), kinds=kinds, parent=self)
        self.row.setHint(f"name{SUFFIX}")
        tip = "Continue the stopped run. Data and settings must be the same"
        self._resume = tick("Resume the stopped run", tip, self)
        self._resume.setChecked(True)
        tip = "Overwrite the model file, or the stopped run"
        self._replace = tick("Replace the existing model", tip, self)
        stacked(self, self._resume, self._replace)
        self.row.edited.connect(self._on_name)
        self._resume.toggled.connect(self._on_output)
        self._replace.toggled.connect(self._on_output)
        self.refresh()

    def output(self) -> Path:
        """The model's file, with its suffix."""
        return with_suffix(self.row.value() or "model")

    def hasOutput(self) -> bool:
        return bool(self.row.value())

    def setReplace(self, replace: bool) -> None:
        """Whether a model of that name may be replaced."""
        self._replace.setChecked(replace)

    def resumes(self) -> bool:
        """Whether a stopped run exists and is to be resumed."""
        return self.hasOutput() and self._resume.isChecked() and is_file(state_path(self.output()))

    def replaces(self) -> bool:
        """Whether an existing model may be replaced."""
        return self._replace.isChecked()

    def problem(self) -> str:
        """Why the file cannot be written; empty if it can."""
        if not self.hasOutput():
            return "Choose a file for the model."
        output = self.output()
        if is_folder(self.row.value()) or is_folder(output):
            return f"{self.row.value()} is a folder: add a file name."
        if self._is_taken() and not (self.resumes() or self.replaces()):
            what = output.name if is_file(output) else f"A stopped run of {output.name}"
            return f"{what} exists; for another run choose another name, or tick Replace the existing model."
        return ""

    def refresh(self) -> None:
        """Update the choices to resume and replace."""
        self._resume.setVisible(self.hasOutput() and is_file(state_path(self.output())))
        self._replace.setVisible(self._is_taken() and not self.resumes())

    def _is_taken(self) -> bool:
        """Whether there is a model of that name, or what a stopped run left of it."""
        output = self.output()
        return self.hasOutput() and (is_file(output) or is_file(state_path(output)))

    def _on_name(self, *_: object) -> None:
        """Another file: a tick for the one before is none for this one."""
        self._replace.setChecked(False)
        self._on_output()

    def _on_output(self, *_: object) -> None:
        self.refresh()
        self.changed.emit()


def free_name(folder: Path, name: str) -> Path:
    """A model file of a name; a number follows where a finished model has it."""
    name = name or "model"
    names = (f"{name}{SUFFIX}", *(f"{name}-{number}{SUFFIX}" for number in range(2, 1000)))
    files = [folder / each for each in names]
    return next((file for file in files if is_file(state_path(file)) or not is_file(file)), files[0])
