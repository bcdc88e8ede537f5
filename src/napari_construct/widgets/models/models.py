"""The dock widget Models: encoders and trained models on this computer, and how to get the rest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMessageBox, QWidget

from napari_construct.encoders.catalogue.download import DownloadSettings
from napari_construct.widgets.fields.controls import plain_tip
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.layout import fold
from napari_construct.widgets.fields.message_label import Level, Problem
from napari_construct.widgets.jobs.workers import Job
from napari_construct.widgets.models import job as jobs
from napari_construct.widgets.models.catalogue import CatalogueView
from napari_construct.widgets.models.diagnostics import DiagnosticsBox
from napari_construct.widgets.models.gate import GateBox
from napari_construct.widgets.models.job import (
    Done,
    ExportRequest,
    ImportRequest,
    Listing,
    ModelRow,
    UploadRequest,
)
from napari_construct.widgets.models.share import IMPORTED, ShareBox
from napari_construct.widgets.models.source import DownloadSource, download_problem
from napari_construct.widgets.parts.dock import JobDock
from napari_construct.widgets.parts.known_models import own_paths
from napari_construct.widgets.parts.recipes import download_as_command, download_as_python

if TYPE_CHECKING:
    import napari.viewer


class Models(JobDock[DownloadSettings, Done]):
    """Edits one :class:`~napari_construct.encoders.catalogue.download.DownloadSettings` and runs it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        What napari gives every widget; this one adds no layers.
    confirm : callable, optional
        Asks the user a question before something is deleted; a dialog by default.

    Attributes
    ----------
    diagnostics : DiagnosticsBox
        The installation on one screen.
    """

    verb = "Download"
    cancelled = "Cancelled; the next download continues with the part that was downloaded."
    recipes = download_as_python, download_as_command
    copy_tip = "Copy this download as {}: pasted back it brings the same files"

    def __init__(
        self,
        viewer: napari.viewer.Viewer | None = None,
        *,
        confirm: Callable[[str], bool] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(viewer, parent)
        self._confirm = confirm
        self._listing: Job | None = None
        self._catalogue = CatalogueView(self)
        self._table = self._catalogue.table
        self._gate = GateBox(self)
        self._source = DownloadSource(self)
        self._share = ShareBox(self)
        self.diagnostics = DiagnosticsBox(self)
        self._build_layout()
        self._connect()
        self.refresh()

    def value(self) -> DownloadSettings:
        """The settings on view.

        Raises
        ------
        ConfigurationError
            If a text on view cannot be a setting; Download is then disabled and says why.
        """
        return self._source.value().model_copy(update={"accepted": self._gate.accepted()})

    def setValue(self, value: DownloadSettings) -> None:
        """Show settings; emits ``valueChanged`` once where something changed."""
        before = self._known()
        blocked = self.blockSignals(True)
        self._source.setValue(value)
        self._gate.setAccepted(value.accepted)
        self.blockSignals(blocked)
        if (now := self._known()) is not None and now != before:
            self.valueChanged.emit(now)

    def rows(self) -> tuple[ModelRow, ...]:
        """Encoders and models, installed or available; empty until they are listed."""
        return self._table.rows()

    def isListing(self) -> bool:
        """Whether the table is being brought up to date."""
        return self._listing is not None

    def request(self) -> DownloadSettings:
        """What Download asks for."""
        return self.value()

    def launch(self, request: DownloadSettings) -> None:
        self.start("Download", jobs.download_job, request)

    def problem(self) -> Problem:
        value = self._known()
        if value is None:
            return Problem(self._source.problem(), Level.WARNING)
        return Problem(download_problem(value, self._encoder(), listed=bool(self._table.rows())))

    def text(self, recipe: Callable[[DownloadSettings], str]) -> str:
        value = self.value()
        if not value.name:
            self.control.showMessage("Choose an encoder in the table first.")
            return ""
        return recipe(value)

    def choose(self, kind: str, name: str) -> None:
        """Choose a row by its kind ("encoder", "model") and name, as a click does."""
        row = self._table.row_of(kind, name)
        self._table.choose(row)
        self._on_chosen(row)

    def takeDropped(self, paths: list[Path]) -> str:
        """Import a model or weights, as *Import file...* does."""
        if self.isRunning():
            return f"{paths[0].name}: drop it again when the job at hand is over."
        if len(paths) > 1 or not any(paths[0].match(pattern) for pattern in IMPORTED.split()):
            return refused(paths, "one model or file of weights")
        self._on_import(str(paths[0]))
        return ""

    def refresh(self, *_: object) -> None:
        """List again what is on this computer."""
        if self._listing is None:
            self._listing = job = Job("Look for models", partial(jobs.listing_steps, own_paths()), self)
            job.returned.connect(self._on_listed)
            job.failed.connect(self._on_failed)
            job.finished.connect(self._on_list_finished)
            job.start()
        self._refresh()

    def _build_layout(self) -> None:
        share = fold("Import, export, share", "Models from and for others", self._share, self)
        tip = "This installation on one screen"
        diagnostics = fold("Device and diagnostics", tip, self.diagnostics, self)
        parts = (self._catalogue, self._source, self._gate, share, diagnostics)
        self._lay_out(*parts, grows=self._catalogue)

    def _connect(self) -> None:
        self._catalogue.chosen.connect(self._on_chosen)
        self._catalogue.removeRequested.connect(self._on_remove)
        self._source.valueChanged.connect(self._on_source)
        self._gate.acceptedChanged.connect(self._on_changed)
        self._gate.pageRequested.connect(self._catalogue.openPage)
        self._gate.lookRequested.connect(self.refresh)
        self._gate.checkRequested.connect(self._on_check)
        self._share.importRequested.connect(self._on_import)
        self._share.exportRequested.connect(self._on_export)
        self._share.uploadRequested.connect(self._on_upload)

    def _known(self) -> DownloadSettings | None:
        """The settings on view; None if a text cannot be one."""
        value = self._source.known()
        return None if value is None else value.model_copy(update={"accepted": self._gate.accepted()})

    def _encoder(self) -> ModelRow | None:
        """The row of the encoder that would be downloaded."""
        name = self._source.name()
        return self._table.row_of("encoder", name) if name else None

    def _shown(self) -> ModelRow | None:
        """The row that is described: the chosen one, otherwise that of the encoder that was typed."""
        return self._table.current() or self._encoder()

    def _on_chosen(self, row: ModelRow | None) -> None:
        """Describe a row; an encoder is also chosen for download."""
        if row is not None and row.entry is not None and not row.entry.matches(self._source.name()):
            self._source.field("name").put(row.name)
        self._refresh()

    def _on_source(self) -> None:
        """An encoder was typed, or where it comes from was changed."""
        row, current = self._encoder(), self._table.current()
        if row is not None or (current is not None and current.kind == "encoder"):
            self._table.choose(row)
        if not self._gate.isFor(self._source.name()):
            self._gate.setAccepted(False)  # the user agreed to another licence
        self._on_changed()

    def _on_changed(self, *_: object) -> None:
        self._refresh()
        if (value := self._known()) is not None:
            self.valueChanged.emit(value)

    def _refresh(self, *_: object) -> None:
        """Show the chosen row in every part."""
        row, encoder = self._shown(), self._encoder()
        self._catalogue.showRow(row, busy=self.isRunning())
        self._share.showRow(row)
        gated = encoder is not None and encoder.state == "gated"
        self._gate.setVisible(gated)
        self._gate.showEntry(encoder.entry if gated and encoder is not None else None)
        super()._refresh()

    def _on_listed(self, found: Listing) -> None:
        self._table.showRows(found.rows)
        self._gate.showToken(found.token)
        if self._table.current() is None:
            self._table.choose(self._encoder())
        if found.problem:
            self.control.showMessage(found.problem, Level.WARNING)

    def _on_list_finished(self) -> None:
        job, self._listing = self._listing, None
        if job is not None:
            job.deleteLater()
        self._refresh()
        self.finished.emit()

    def _on_running(self, running: bool) -> None:
        for part in (self._source, self._gate, self._share):
            part.setEnabled(not running)
        if not running:
            self.refresh()

    def _on_result(self, done: Done) -> None:
        if done.access is not None:
            self._gate.showAccess(done.access, granted=not done.access)
        self.control.summarise(done.text)

    def _on_check(self) -> None:
        if (value := self.made(self.value)) is not None:
            self.start("Check access", jobs.access_job, value)

    def _on_import(self, source: str) -> None:
        row = self._shown()
        self.start("Import", jobs.import_job, ImportRequest(source, None if row is None else row.entry))

    def _on_export(self, folder: str, licence: str) -> None:
        row = self._shown()
        if row is not None:
            self.start("Export", jobs.export_job, ExportRequest(_model(row), folder, licence))

    def _on_upload(self, repository: str, licence: str, private: bool) -> None:
        row = self._shown()
        if row is not None:
            self.start("Upload", jobs.upload_job, UploadRequest(_model(row), repository, licence, private))

    def _on_remove(self, row: ModelRow | None) -> None:
        if row is not None and self._asked(f"Delete {row.name} from this computer? It is in {row.location}."):
            self.start("Remove", jobs.remove_job, row)

    def _asked(self, question: str) -> bool:
        if self._confirm is not None:
            return self._confirm(question)
        answer = QMessageBox.question(self, "Remove", plain_tip(question))
        return bool(answer == QMessageBox.StandardButton.Yes)


def _model(row: ModelRow) -> str:
    """Name of a bundled or imported model, or path of an own one."""
    return str(row.location) if row.state == "own" else row.name
