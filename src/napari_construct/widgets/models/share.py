"""Import, export and upload of models and weights."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QGridLayout, QLabel, QWidget

from napari_construct.widgets.fields.controls import button, line_edit, tick
from napari_construct.widgets.models.job import ModelRow

IMPORTED = "*.construct *.pth *.pt *.bin *.safetensors *.json"
"""Files of models and weights."""
_FILES = f"Models and weights ({IMPORTED});;All files (*)"


class ShareBox(QWidget):
    """Requests an import, an export or an upload."""

    importRequested = Signal(str)
    """Path of a file, or "hf-hub:OWNER/NAME"."""
    exportRequested = Signal(str, str)
    """Folder and licence."""
    uploadRequested = Signal(str, str, bool)
    """Repository, licence, whether it is private."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = (
            "Import a model (.construct), best_cam.pth of the published code, or weights of the chosen "
            "encoder. No code in the file is run"
        )
        self._open = button("Import file...", tip, self.openFile, self)
        hint = "OWNER/NAME"
        self._from = line_edit("Hub repository to import", "Repository of a model on the hub", self, hint)
        tip = "Download the model of this repository, check it and keep it"
        self._pull = button("Import", tip, self._on_pull, self, name="Import from the hub")
        tip = "Licence of your model, for its model card"
        self._licence = line_edit("Licence of the model", tip, self, "e.g. CC-BY-4.0")
        tip = "Save the chosen model and its card in a folder, without encoder weights"
        self._export = button("Export...", tip, self.chooseFolder, self)
        tip = "Repository for the upload. A missing repository is created"
        self._to = line_edit("Hub repository to upload to", tip, self, hint)
        self._push = button("Upload", "Upload the chosen model and its card", self._on_push, self)
        tip = "A new repository is visible to you only. Without a tick, everyone can read it"
        self._private = tick("Private repository", tip, self)
        self._private.setChecked(True)
        self._lay_out()
        self.showRow(None)

    def showRow(self, row: ModelRow | None) -> None:
        """Enable the export for a trained model only."""
        model = row is not None and row.kind == "model"
        for part in (self._licence, self._export, self._to, self._push, self._private):
            part.setEnabled(model)

    def openFile(self, *_: object) -> None:
        """Ask for a file to import."""
        path, _kind = QFileDialog.getOpenFileName(self, "Import a model or weights", "", _FILES)
        if path:
            self.importRequested.emit(path)

    def chooseFolder(self, *_: object) -> None:
        """Ask for a folder and export to it."""
        folder = QFileDialog.getExistingDirectory(self, "Folder for the model and its card")
        if folder:
            self.exportRequested.emit(folder, self._licence_text())

    def _on_pull(self, *_: object) -> None:
        repository = self._from.text().strip().removeprefix("hf-hub:")
        if repository:
            self.importRequested.emit(f"hf-hub:{repository}")

    def _on_push(self, *_: object) -> None:
        repository = self._to.text().strip()
        if repository:
            self.uploadRequested.emit(repository, self._licence_text(), self._private.isChecked())

    def _licence_text(self) -> str:
        return self._licence.text().strip() or "unknown"

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self._open, 0, 0, 1, 3)
        for line, (name, field, action) in enumerate(
            (
                ("From hub", self._from, self._pull),
                ("Licence", self._licence, self._export),
                ("To hub", self._to, self._push),
            ),
            start=1,
        ):
            grid.addWidget(QLabel(name, self), line, 0)
            grid.addWidget(field, line, 1)
            grid.addWidget(action, line, 2)
        grid.addWidget(self._private, 4, 1, 1, 2)
        grid.setColumnStretch(1, 1)
