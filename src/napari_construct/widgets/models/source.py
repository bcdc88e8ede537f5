"""Which encoder is downloaded, and from where."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QGridLayout, QLabel, QLineEdit, QPushButton, QWidget

from napari_construct.encoders.catalogue.download import DownloadSettings
from napari_construct.widgets.models.job import ModelRow


class DownloadSource(QWidget):
    """Edits :class:`~napari_construct.encoders.catalogue.download.DownloadSettings` without the agreement."""

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = QLineEdit(self)
        self._name.setPlaceholderText("Choose it above")
        self._name.setToolTip(
            "Id of the encoder; of a family write the rest yourself, e.g. timm:hf-hub:OWNER/NAME"
        )
        self._name.setAccessibleName("Encoder to download")
        self._mirror = QLineEdit(self)
        self._mirror.setPlaceholderText("The hub")
        self._mirror.setToolTip(
            "Empty takes the hub. Without internet: a folder with the files, or the address of a server that "
            "answers as the hub does"
        )
        self._mirror.setAccessibleName("Folder or address to download from")
        self._folder = QPushButton("Folder...", self)
        self._folder.setToolTip("Take the files from a folder, for machines without internet")
        self._folder.setAccessibleName("Choose a folder to take the files from")
        self._again = QCheckBox("Fetch again what is here", self)
        self._again.setToolTip("Download also what is on this computer already, for example after damage")
        self._again.setAccessibleName("Fetch again")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(QLabel("Encoder", self), 0, 0)
        grid.addWidget(self._name, 0, 1, 1, 2)
        grid.addWidget(QLabel("From", self), 1, 0)
        grid.addWidget(self._mirror, 1, 1)
        grid.addWidget(self._folder, 1, 2)
        grid.addWidget(self._again, 2, 1, 1, 2)
        grid.setColumnStretch(1, 1)
        self._name.textChanged.connect(self._on_changed)
        self._mirror.textChanged.connect(self._on_changed)
        self._again.toggled.connect(self._on_changed)
        self._folder.clicked.connect(self.chooseFolder)

    def value(self) -> DownloadSettings:
        """The settings on view; nothing agreed to."""
        return DownloadSettings(
            name=self.name(), mirror=self._mirror.text().strip() or None, again=self._again.isChecked()
        )

    def setValue(self, value: DownloadSettings) -> None:
        """Show settings; emits ``valueChanged`` once where something changed."""
        before = self.value()
        blocked = self.blockSignals(True)
        self._name.setText(value.name)
        self._mirror.setText(value.mirror or "")
        self._again.setChecked(value.again)
        self.blockSignals(blocked)
        if self.value() != before:
            self.valueChanged.emit()

    def name(self) -> str:
        return self._name.text().strip()

    def chooseFolder(self, *_: object) -> None:
        """Ask for a folder with the files."""
        folder = QFileDialog.getExistingDirectory(self, "Folder with the files")
        if folder:
            self._mirror.setText(folder)

    def _on_changed(self, *_: object) -> None:
        self.valueChanged.emit()


def download_problem(value: DownloadSettings, row: ModelRow | None, *, listed: bool) -> str:
    """What is missing, in a sentence; nothing where the download can start.

    Parameters
    ----------
    value : DownloadSettings
        What is to be downloaded.
    row : ModelRow or None
        The encoder, or its family.
    listed : bool
        Whether it is known yet what is on this computer.
    """
    if not listed:
        return "The list is being loaded..."
    if not value.name:
        return "Choose an encoder in the table to download it."
    if row is None or row.entry is None:
        return f"The catalogue knows no encoder {value.name}: choose one in the table."
    family = row.entry.family and row.name == value.name
    rules = (
        (family, f"Write which one behind {row.name}, for example {row.name}hf-hub:OWNER/NAME."),
        (row.state == "bundled", f"{value.name} comes with napari-construct: nothing to download."),
        (row.state == "installed" and not value.again, f"{value.name} is on this computer already."),
        (
            row.state == "gated" and not value.accepted,
            "Read the licence under Access, and agree to it, first.",
        ),
    )
    return next((text for holds, text in rules if holds), "")
