"""The dock widget Models: encoders and trained models on this computer, and how to get the rest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_construct.encoders.catalogue.download import DownloadSettings
from napari_construct.widgets.fields.layout import column, fill_dock, fold
from napari_construct.widgets.fields.message_label import Level, plain
from napari_construct.widgets.jobs.run_control import RunControl
from napari_construct.widgets.jobs.workers import Job
from napari_construct.widgets.models import job as jobs
from napari_construct.widgets.models.catalogue import CatalogueView
from napari_construct.widgets.models.diagnostics import DiagnosticsBox
from napari_construct.widgets.models.gate import GateBox
from napari_construct.widgets.models.job import Done, Listing, ModelRow
from napari_construct.widgets.models.share import ShareBox
from napari_construct.widgets.models.source import DownloadSource, download_problem
from napari_construct.widgets.parts.copy_row import CopyRow
from napari_construct.widgets.parts.recipes import download_as_command, download_as_python

if TYPE_CHECKING:
    import napari.viewer


class Models(QWidget):
    """Edits one :class:`~napari_construct.encoders.catalogue.download.DownloadSettings` and runs it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Not used; what napari gives every widget.
    confirm : callable, optional
        Asks the user a question before something is deleted; a dialog by default.
    """

    valueChanged = Signal(object)
    finished = Signal()
    """The table is up to date."""

    def __init__(
        self,
        viewer: napari.viewer.Viewer | None = None,  # noqa: ARG002 - napari passes it
        *,
        confirm: Callable[[str], bool] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._confirm = confirm
        self._listing: Job | None = None
        self._catalogue = CatalogueView(self)
        self._table = self._catalogue.table
        self._gate = GateBox(self)
        self._source = DownloadSource(self)
        self._share = ShareBox(self)
        self._diagnostics = DiagnosticsBox(self)
        self._control = RunControl(
            "Download", self, cancelled="Cancelled; what came is kept, the next download goes on there."
        )
        self._copy_row = CopyRow(self, "Copy this download as {}: pasted back it brings the same files")
        self._build_layout()
        self._connect()
        self.refresh()

    def value(self) -> DownloadSettings:
        """The settings on view."""
        return self._source.value().model_copy(update={"accepted": self._gate.accepted()})

    def setValue(self, value: DownloadSettings) -> None:
        """Show settings; emits ``valueChanged`` once where something changed."""
        before = self.value()
        blocked = self.blockSignals(True)
        self._source.setValue(value)
        self._gate.setAccepted(value.accepted)
        self.blockSignals(blocked)
        if self.value() != before:
            self.valueChanged.emit(self.value())

    @property
    def control(self) -> RunControl:
        """Progress and messages."""
        return self._control

    @property
    def diagnostics(self) -> DiagnosticsBox:
        """The installation on one screen."""
        return self._diagnostics

    def rows(self) -> tuple[ModelRow, ...]:
        """What is here and what can be got; empty until it is known."""
        return self._table.rows()

    def isRunning(self) -> bool:
        return self._control.isRunning()

    def isListing(self) -> bool:
        """Whether the table is being brought up to date."""
        return self._listing is not None

    def message(self) -> str:
        return self._control.message()

    def run(self) -> None:
        """Download, as the button does."""
        if not self._control.blockedReason():
            self._start("Download", partial(jobs.download_job, self.value()))

    def cancel(self) -> None:
        """Stop; what came so far is kept."""
        self._control.cancel()

    def choose(self, kind: str, name: str) -> None:
        """Choose a row by its kind ("encoder", "model") and name, as a click does."""
        row = self._table.row_of(kind, name)
        self._table.choose(row)
        self._on_chosen(row)

    def refresh(self, *_: object) -> None:
        """Look anew what is on this computer."""
        if self._listing is None:
            self._listing = job = Job("Look for models", jobs.listing_steps, self)
            job.returned.connect(self._on_listed)
            job.failed.connect(self._on_list_failed)
            job.finished.connect(self._on_list_finished)
            job.start()
        self._refresh()

    def _build_layout(self) -> None:
        layout = column(self)
        layout.addWidget(self._catalogue)
        layout.addWidget(self._source)
        layout.addWidget(self._gate)
        layout.addWidget(fold("Import, export, share", "Models from and for others", self._share, self))
        layout.addWidget(
            fold("Device and diagnostics", "This installation on one screen", self._diagnostics, self)
        )
        layout.addStretch(1)
        fill_dock(self, layout, self._control, self._copy_row)

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
        self._control.runRequested.connect(self.run)
        self._control.returned.connect(self._on_done)
        self._control.runningChanged.connect(self._on_running)
        self._copy_row.pythonRequested.connect(self._copy_python)
        self._copy_row.commandRequested.connect(self._copy_command)

    def _encoder(self) -> ModelRow | None:
        """The row of the encoder that would be downloaded."""
        name = self._source.name()
        return self._table.row_of("encoder", name) if name else None

    def _shown(self) -> ModelRow | None:
        """The row that is described: the chosen one, otherwise that of the encoder that was typed."""
        return self._table.current() or self._encoder()

    def _on_chosen(self, row: ModelRow | None) -> None:
        """Describe a row; an encoder is also the one to download."""
        if row is not None and row.entry is not None and not row.entry.matches(self._source.name()):
            self._source.setValue(self._source.value().model_copy(update={"name": row.name}))
        self._refresh()

    def _on_source(self) -> None:
        """An encoder was typed, or where it comes from was changed."""
        row, current = self._encoder(), self._table.current()
        if row is not None or (current is not None and current.kind == "encoder"):
            self._table.choose(row)
        if not self._gate.isFor(self._source.name()):
            self._gate.setAccepted(False)  # it was agreed to another licence
        self._on_changed()

    def _on_changed(self, *_: object) -> None:
        self._refresh()
        self.valueChanged.emit(self.value())

    def _refresh(self) -> None:
        """Bring everything in line with the chosen row."""
        row, encoder = self._shown(), self._encoder()
        self._catalogue.showRow(row, busy=self.isRunning())
        self._share.showRow(row)
        gated = encoder is not None and encoder.state == "gated"
        self._gate.setVisible(gated)
        self._gate.showEntry(encoder.entry if gated and encoder is not None else None)
        self._control.setBlocked(download_problem(self.value(), encoder, listed=bool(self._table.rows())))

    def _on_listed(self, found: Listing) -> None:
        self._table.showRows(found.rows)
        self._gate.showToken(found.token)
        if self._table.current() is None:
            self._table.choose(self._encoder())
        if found.problem:
            self._control.showMessage(found.problem, Level.WARNING)

    def _on_list_failed(self, error: Exception) -> None:
        self._control.showMessage(plain(error), Level.ERROR, error)

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

    def _on_done(self, done: Done) -> None:
        if done.access is not None:
            self._gate.showAccess(done.access, granted=not done.access)
        self._control.summarise(done.text)

    def _start(self, title: str, make_steps: Callable[[], Any]) -> None:
        if not self._control.isRunning():
            self._control.run(title, make_steps)

    def _on_check(self) -> None:
        value = self.value()
        self._start("Check access", partial(jobs.access_job, value.name, value.mirror))

    def _on_import(self, source: str) -> None:
        row = self._shown()
        self._start("Import", partial(jobs.import_job, source, None if row is None else row.entry))

    def _on_export(self, folder: str, licence: str) -> None:
        row = self._shown()
        if row is not None:
            self._start("Export", partial(jobs.export_job, row.name, folder, licence))

    def _on_upload(self, repository: str, licence: str, private: bool) -> None:
        row = self._shown()
        if row is not None:
            self._start("Upload", partial(jobs.upload_job, row.name, repository, licence, private))

    def _on_remove(self, row: ModelRow | None) -> None:
        if row is not None and self._asked(
            f"Delete {row.name} from this computer? It lies in {row.location}."
        ):
            self._start("Remove", partial(jobs.remove_job, row.name, row.kind))

    def _asked(self, question: str) -> bool:
        if self._confirm is not None:
            return self._confirm(question)
        answer = QMessageBox.question(self, "Remove", question)
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _copy_python(self, *_: object) -> None:
        self._copy(download_as_python)

    def _copy_command(self, *_: object) -> None:
        self._copy(download_as_command)

    def _copy(self, recipe: Callable[[DownloadSettings], str]) -> None:
        if not self.value().name:
            self._control.showMessage("Choose an encoder in the table first.")
        elif self._copy_row.copy(recipe(self.value())):
            self._control.showMessage("Copied to the clipboard.")
