"""Where the results of a batch go, and what may be replaced there."""

from __future__ import annotations

from typing import TypedDict

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QWidget

from napari_construct.widgets.fields.controls import button, tick
from napari_construct.widgets.fields.layout import stacked


class Ways(TypedDict):
    """What a run does with earlier files."""

    restart: bool
    overwrite: bool


class OutputFolder(QWidget):
    """Edits the path of a folder, by typing or in a dialog."""

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._line = QLineEdit(self)
        self._line.setPlaceholderText("Folder for the results")
        self._line.setToolTip("Results, the ledger (batch.jsonl) and a table (batch.csv) are written here")
        self._line.setAccessibleName("Output folder")
        tip = "Choose the output folder"
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._line, 1)
        row.addWidget(button("Choose...", tip, self._ask, self, name=tip))
        self._line.textChanged.connect(self.valueChanged)

    def value(self) -> str:
        """The path, empty if there is none yet."""
        return self._line.text().strip()

    def setValue(self, folder: str) -> None:
        self._line.setText(folder)

    def _ask(self, *_: object) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the results")
        if folder:
            self.setValue(folder)


class Replacing(QWidget):
    """Edits what a run does with the files of earlier runs, and with those of others."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = "Without a tick a run goes on where it stopped: finished images are left as they are"
        self._restart = tick("Do everything again", tip, self)
        tip = (
            "Also replace files that napari-construct did not make. Without a tick they stop the run before "
            "it begins. Folders that it did not make are never deleted"
        )
        self._overwrite = tick("Overwrite files of others", tip, self)
        stacked(self, self._restart, self._overwrite)

    def value(self) -> Ways:
        """As keyword arguments of a run."""
        return {"restart": bool(self._restart.isChecked()), "overwrite": bool(self._overwrite.isChecked())}
