"""The form of a download: encoder and source."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_construct.encoders.catalogue.download import DownloadSettings
from napari_construct.widgets.fields.controls import button
from napari_construct.widgets.fields.rows import Row
from napari_construct.widgets.fields.settings_form import SettingsForm
from napari_construct.widgets.models.job import ModelRow

_ROWS: Final = (
    Row("name", "Encoder",
        "Id of the encoder. For a family, type the whole id, e.g. timm:hf-hub:OWNER/NAME",
        hint="Choose it above", live=True),
    Row("mirror", "From", "Source of the files. Empty: the hub. Without internet: a folder with the files, "
        "or the address of a mirror of the hub", hint="The hub", live=True),
    Row("again", "Replace existing files",
        "Download the files again, e.g. if they are damaged"),
)  # fmt: skip


class DownloadSource(SettingsForm[DownloadSettings]):
    """Edits :class:`~napari_construct.encoders.catalogue.download.DownloadSettings` without the agreement."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(DownloadSettings(), _ROWS, parent)
        tip = "Take the files from a folder, for computers without internet"
        folder = button("Folder...", tip, self.chooseFolder, self, name="Choose a folder with the files")
        self.layout().insertRow(2, "", folder)

    def setValue(self, value: DownloadSettings) -> None:
        """Show settings without the agreement; emits ``valueChanged`` once if they differ."""
        super().setValue(value.model_copy(update={"accepted": False}))

    def name(self) -> str:
        return str(self.field("name").get())

    def chooseFolder(self, *_: object) -> None:
        """Ask for a folder with the files."""
        folder = QFileDialog.getExistingDirectory(self, "Folder with the files")
        if folder:
            self.field("mirror").put(folder)


def download_problem(value: DownloadSettings, row: ModelRow | None, *, listed: bool) -> str:
    """What is missing, in a sentence; empty if the download can start.

    Parameters
    ----------
    value : DownloadSettings
        The download.
    row : ModelRow or None
        The encoder, or its family.
    listed : bool
        Whether the list of encoders is loaded.
    """
    if not listed:
        return "The list is being loaded..."
    if not value.name:
        return "Choose an encoder in the table to download it."
    if row is None or row.entry is None:
        return f"There is no encoder {value.name} in the catalogue. Choose one in the table."
    family = row.entry.family and row.name == value.name
    rules = (
        (family, f"Type the whole id, for example {row.name}hf-hub:OWNER/NAME."),
        (row.state == "bundled", f"{value.name} comes with napari-construct: nothing to download."),
        (row.state == "installed" and not value.again, f"{value.name} is on this computer already."),
        (
            row.state == "gated" and not value.accepted,
            "Read the licence under Access and agree to it first.",
        ),
    )
    return next((text for holds, text in rules if holds), "")
