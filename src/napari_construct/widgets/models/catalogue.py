"""The table of encoders and models, what is known of the chosen one, and what can be done with it."""

from __future__ import annotations

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QWidget

from napari_construct.widgets.fields.layout import push_button, stacked
from napari_construct.widgets.models.details import Details
from napari_construct.widgets.models.job import ModelRow
from napari_construct.widgets.models.table import FILTERS, ModelTable


class CatalogueView(QWidget):
    """Shows one row in words; emits ``chosen`` when the user chooses another."""

    chosen = Signal(object)
    removeRequested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row: ModelRow | None = None
        self._filter = QComboBox(self)
        self._filter.setToolTip("Which rows the table shows")
        self._filter.setAccessibleName("Which encoders and models are shown")
        for name, (words, _) in FILTERS.items():
            self._filter.addItem(words, name)
        self.table = ModelTable(self)
        self._details = Details(self)
        self._page = push_button(self, "Open its page", "Open the page of its authors in your browser")
        self._remove = push_button(self, "Remove...", "Delete its file from this computer")
        buttons = QHBoxLayout()
        buttons.addWidget(self._page)
        buttons.addWidget(self._remove)
        stacked(self, self._filter, self.table, self._details, buttons)
        self._filter.currentIndexChanged.connect(self._on_filter)
        self.table.chosen.connect(self.chosen)
        self._page.clicked.connect(self.openPage)
        self._remove.clicked.connect(self._on_remove)

    def showRow(self, row: ModelRow | None, *, busy: bool) -> None:
        """Describe a row; while a job runs nothing can be removed."""
        self._row = row
        self._details.showRow(row)
        self._page.setEnabled(self._address() != "")
        self._remove.setEnabled(row is not None and row.state in ("imported", "installed") and not busy)

    def openPage(self, *_: object) -> None:
        """Show the page of an encoder's authors."""
        if self._address():
            QDesktopServices.openUrl(QUrl(self._address()))

    def _address(self) -> str:
        source = "" if self._row is None or self._row.entry is None else self._row.entry.source
        return source if source.startswith(("https://", "http://")) else ""

    def _on_filter(self, *_: object) -> None:
        self.table.setFilter(str(self._filter.currentData()))

    def _on_remove(self, *_: object) -> None:
        self.removeRequested.emit(self._row)
