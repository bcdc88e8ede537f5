"""Which encoder is downloaded, and from where."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_construct.encoders.catalogue.download import DownloadSettings
from napari_construct.widgets.fields.rows import Row
from napari_construct.widgets.fields.settings_form import SettingsForm
from napari_construct.widgets.models.job import ModelRow

_ROWS: Final = (
    Row("name", "Encoder",
        "Id of the encoder; of a family write the rest yourself, e.g. timm:hf-hub:OWNER/NAME",
        hint="Choose it above", live=True),
    Row("mirror", "From", "Empty takes the hub. Without internet: a folder with the files, or the address of "
        "a server that answers as the hub does", hint="The hub", live=True),
    Row("again", "Fetch again what is here",
        "Download also what is on this computer already, for example after damage"),
)  # fmt: skip


class DownloadSource(SettingsForm[DownloadSettings]):
    """Edits :class:`~napari_construct.encoders.catalogue.download.DownloadSettings` without the agreement."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(DownloadSettings(), _ROWS, parent)
        folder = QPushButton("Folder...", self)
        folder.setToolTip("Take the files from a folder, for machines without internet")
        folder.setAccessibleName("Choose a folder to take the files from")
        folder.clicked.connect(self.chooseFolder)
        self.layout().insertRow(2, "", folder)

    def setValue(self, value: DownloadSettings) -> None:
        """Show settings; emits ``valueChanged`` once where something changed. Nothing is agreed to here."""
        super().setValue(value.model_copy(update={"accepted": False}))

    def name(self) -> str:
        return str(self.field("name").get())

    def chooseFolder(self, *_: object) -> None:
        """Ask for a folder with the files."""
        folder = QFileDialog.getExistingDirectory(self, "Folder with the files")
        if folder:
            self.field("mirror").put(folder)


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
