"""A button that saves scores as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_construct.exceptions import ConstructError
from napari_construct.widgets.evaluate.export import Exported, export
from napari_construct.widgets.fields.controls import button
from napari_construct.widgets.fields.layout import stacked

_FILES: Final = "HTML page (*.html);;Table (*.csv);;JSON (*.json)"
_SUFFIXES: Final = (".html", ".csv", ".json")


class SaveScores(QWidget):
    """Asks for a file and writes what it was given."""

    said = Signal(str)
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scored: Exported | None = None
        tip = "Save the scores as an HTML page, a CSV table or JSON"
        stacked(self, button("Save scores...", tip, self.askFile, self, name="Save scores"))

    def setScores(self, scored: Exported | None) -> None:
        """What is saved; None for nothing."""
        self._scored = scored

    def save(self, path: str) -> None:
        """Save the scores in the format of the suffix."""
        if self._scored is None:
            return
        try:
            export(self._scored, Path(path))
        except ConstructError as error:
            self.failed.emit(error)
        else:
            self.said.emit(f"Scores saved to {path}.")

    def askFile(self, *_: object) -> None:
        """Ask for a file and save the scores."""
        path, kind = QFileDialog.getSaveFileName(self, "Save the scores", "scores.html", _FILES)
        if path:
            suffix = next((s for s in _SUFFIXES if s in kind), ".html")
            self.save(path if Path(path).suffix.lower() in _SUFFIXES else path + suffix)
