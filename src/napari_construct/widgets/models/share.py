"""Models and weights from files, for others, and away."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QGridLayout, QLabel, QLineEdit, QPushButton, QWidget

from napari_construct.widgets.models.job import ModelRow

_FILES = "Models and weights (*.construct *.pth *.pt *.bin *.safetensors *.json);;All files (*)"


class ShareBox(QWidget):
    """Asks for an import, an export or an upload."""

    importRequested = Signal(str)
    """Path of a file, or "hf-hub:OWNER/NAME"."""
    exportRequested = Signal(str, str)
    """Folder, licence."""
    uploadRequested = Signal(str, str, bool)
    """Repository, licence, whether it is private."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._open = self._button(
            "Import file...",
            "Take over a model (.construct), the released code's best_cam.pth, or a file of weights of the "
            "chosen encoder. Nothing in it is run",
        )
        self._from = self._line("Hub repository to import", "OWNER/NAME on the hub", "A model on the hub")
        self._pull = self._button("Import", "Download the model of this hub repository, check it and keep it")
        self._licence = self._line(
            "Licence of the model", "e.g. CC-BY-4.0", "That you give your model, for its card"
        )
        self._export = self._button(
            "Export...", "Write the chosen model and its card into a folder; never an encoder's weights"
        )
        self._to = self._line(
            "Hub repository to upload to", "OWNER/NAME on the hub", "Made where it is missing"
        )
        self._push = self._button("Upload", "Upload the chosen model and its card")
        self._private = QCheckBox("Private: for me alone", self)
        self._private.setChecked(True)
        self._private.setToolTip(
            "Whether a new repository is for you alone; without a tick everyone can read it"
        )
        self._private.setAccessibleName("Private repository")
        self._lay_out()
        self._open.clicked.connect(self.openFile)
        self._pull.clicked.connect(self._on_pull)
        self._export.clicked.connect(self.chooseFolder)
        self._push.clicked.connect(self._on_push)
        self.showRow(None)

    def showRow(self, row: ModelRow | None) -> None:
        """Only a trained model can be exported."""
        model = row is not None and row.kind == "model"
        for part in (self._licence, self._export, self._to, self._push, self._private):
            part.setEnabled(model)

    def openFile(self, *_: object) -> None:
        """Ask for a file to import."""
        path, _kind = QFileDialog.getOpenFileName(self, "Import a model or weights", "", _FILES)
        if path:
            self.importRequested.emit(path)

    def chooseFolder(self, *_: object) -> None:
        """Ask where to export to."""
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
        for line, (name, field, button) in enumerate(
            (
                ("From hub", self._from, self._pull),
                ("Licence", self._licence, self._export),
                ("To hub", self._to, self._push),
            ),
            start=1,
        ):
            grid.addWidget(QLabel(name, self), line, 0)
            grid.addWidget(field, line, 1)
            grid.addWidget(button, line, 2)
        grid.addWidget(self._private, 4, 1, 1, 2)
        grid.setColumnStretch(1, 1)

    def _line(self, name: str, placeholder: str, tip: str) -> QLineEdit:
        line = QLineEdit(self)
        line.setPlaceholderText(placeholder)
        line.setAccessibleName(name)
        line.setToolTip(tip)
        line.setMinimumWidth(60)
        return line

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        return button
