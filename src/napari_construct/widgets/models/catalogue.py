"""The table of encoders and models, with details and actions of the chosen one."""

from __future__ import annotations

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QWidget
from superqt import QFlowLayout

from napari_construct.widgets.fields.controls import button
from napari_construct.widgets.fields.fields import narrow_combo
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.models.details import Details, technical_text
from napari_construct.widgets.models.job import ModelRow
from napari_construct.widgets.models.table import FILTERS, ModelTable


class CatalogueView(QWidget):
    """Shows the table and the details of one row; emits ``chosen`` for another row."""

    chosen = Signal(object)
    removeRequested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row: ModelRow | None = None
        texts = {name: words for name, (words, _) in FILTERS.items()}
        self._filter = narrow_combo(self, "Filter of encoders and models", "The rows that are shown", texts)
        self.table = ModelTable(self)
        self._details = Details(self)
        tip = "Open the page of the authors in the browser"
        self._page = button("Open web page", tip, self.openPage, self)
        self._remove = button("Remove...", "Delete the file from this computer", self._on_remove, self)
        tip = "Copy everything that is known, with versions and checksums, for a question or a report"
        self._copy = button("Copy details", tip, self.copyDetails, self)
        buttons = QFlowLayout()
        buttons.setContentsMargins(0, 0, 0, 0)
        buttons.addWidget(self._page)
        buttons.addWidget(self._copy)
        buttons.addWidget(self._remove)
        stacked(self, self._filter, self.table, self._details, buttons)
        self._filter.currentIndexChanged.connect(self._on_filter)
        self.table.chosen.connect(self.chosen)

    def showRow(self, row: ModelRow | None, *, busy: bool) -> None:
        """Show a row; nothing can be removed while a job runs."""
        self._row = row
        self._details.showRow(row)
        self._page.setEnabled(self._address() != "")
        self._copy.setEnabled(row is not None)
        self._remove.setEnabled(row is not None and row.state in ("imported", "installed") and not busy)

    def copyDetails(self, *_: object) -> None:
        """Copy the technical facts of the row."""
        clipboard = QApplication.clipboard()
        if clipboard is not None and self._row is not None:
            clipboard.setText(technical_text(self._row))

    def openPage(self, *_: object) -> None:
        """Open the web page of an encoder's authors."""
        if self._address():
            QDesktopServices.openUrl(QUrl(self._address()))

    def _address(self) -> str:
        source = "" if self._row is None or self._row.entry is None else self._row.entry.source
        return source if source.startswith(("https://", "http://")) else ""

    def _on_filter(self, *_: object) -> None:
        self.table.setFilter(str(self._filter.currentData()))

    def _on_remove(self, *_: object) -> None:
        self.removeRequested.emit(self._row)
