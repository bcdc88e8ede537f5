"""The table of all encoders and trained models; a wide dock shows more columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QTableWidgetItem, QWidget

from napari_construct.encoders.catalogue.overview import size_text
from napari_construct.widgets.fields.controls import ReadOnlyTable, plain_tip
from napari_construct.widgets.fields.layout import swatch
from napari_construct.widgets.models.job import ModelRow

STATES: Final = {
    "bundled": ("bundled", "#009E73"),
    "installed": ("installed", "#009E73"),
    "imported": ("imported", "#009E73"),
    "available": ("to download", "#56B4E9"),
    "gated": ("gated", "#E69F00"),
}
"""Text and colour of each state."""

FILTERS: Final[dict[str, tuple[str, Callable[[ModelRow], bool]]]] = {
    "all": ("Everything", lambda _: True),
    "here": ("On this computer", lambda row: row.here),
    "models": ("Trained models", lambda row: row.kind == "model"),
    "encoders": ("Encoders", lambda row: row.kind == "encoder"),
    "text": ("Image-text encoders", lambda row: row.entry is not None and row.entry.text),
}

_COLUMNS: Final = ("Name", "State", "Size", "µm/px", "Licence", "Location")
_WIDTHS: Final = (0, 0, 0, 420, 480, 640)
"""Table width in pixels from which a column is shown."""


class ModelTable(ReadOnlyTable):
    """One row per encoder or model; the choice stays when the rows are read again."""

    chosen = Signal(object)
    """The chosen row, or None."""

    def __init__(self, parent: QWidget | None = None) -> None:
        tip = "Encoders and trained models. Choose one to see its details"
        super().__init__("Encoders and models", tip, _COLUMNS, parent)
        self._rows: tuple[ModelRow, ...] = ()
        self._shown: list[ModelRow] = []
        self._filter = "all"
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setWordWrap(False)
        self.setMinimumHeight(190)
        self.itemSelectionChanged.connect(self._on_selection)

    def rows(self) -> tuple[ModelRow, ...]:
        """All rows, also hidden ones."""
        return self._rows

    def row_of(self, kind: str, name: str) -> ModelRow | None:
        """The row of an id or name; the family's row for a member of a family."""
        for row in self._rows:
            same = row.name == name or (row.entry is not None and row.entry.matches(name))
            if row.kind == kind and same:
                return row
        return None

    def showRows(self, rows: Sequence[ModelRow]) -> None:
        """Replace all rows; the choice stays while its row exists."""
        self._rows = tuple(rows)
        self._fill()

    def setFilter(self, name: str) -> None:
        """Filter the rows, see :data:`FILTERS`."""
        self._filter = name
        self._fill()

    def current(self) -> ModelRow | None:
        """The chosen row."""
        lines = self.selectionModel().selectedRows()
        return self._shown[lines[0].row()] if lines else None

    def choose(self, row: ModelRow | None) -> None:
        """Select a row without a signal."""
        blocked = self.blockSignals(True)
        self.clearSelection()
        for i, shown in enumerate(self._shown):
            if row is not None and (shown.kind, shown.name) == (row.kind, row.name):
                self.selectRow(i)
        self.blockSignals(blocked)

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        for i, width in enumerate(_WIDTHS):
            self.setColumnHidden(i, self.width() < width)

    def _fill(self) -> None:
        before = self.current()
        accepts = FILTERS[self._filter][1]
        self._shown = [row for row in self._rows if accepts(row)]
        blocked = self.blockSignals(True)
        self.setRowCount(len(self._shown))
        for i, row in enumerate(self._shown):
            for j, text in enumerate(_texts(row)):
                item = QTableWidgetItem(text)
                item.setToolTip(plain_tip(_tip(row)))
                if j == 1:
                    item.setIcon(swatch(STATES[row.state][1], 10))
                self.setItem(i, j, item)
        self.blockSignals(blocked)
        self.choose(before)

    def _on_selection(self) -> None:
        self.chosen.emit(self.current())


def _texts(row: ModelRow) -> tuple[str, ...]:
    mpp = "" if row.mpp is None else f"{row.mpp:.4g}"
    place = "" if row.location is None else str(row.location)
    return row.name, STATES[row.state][0], size_text(row.size), mpp, row.licence, place


def _tip(row: ModelRow) -> str:
    if row.problem:
        return row.problem
    return f"Trained model {row.name}" if row.entry is None else row.entry.note
