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
    "own": ("own", "#009E73"),
    "available": ("to download", "#56B4E9"),
    "gated": ("gated", "#E69F00"),
}
"""Text and colour of each state."""

_DAMAGED: Final = "#D55E00"

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
            if row is not None and _same(shown, row):
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
                    item.setIcon(swatch(_colour(row), 10))
                self.setItem(i, j, item)
        self.blockSignals(blocked)
        self.choose(before)

    def _on_selection(self) -> None:
        self.chosen.emit(self.current())


def _same(one: ModelRow, other: ModelRow) -> bool:
    """Whether two rows are of the same thing; own models in two folders may share a name."""
    places = one.location == other.location or "own" not in (one.state, other.state)
    return (one.kind, one.name) == (other.kind, other.name) and places


def _texts(row: ModelRow) -> tuple[str, ...]:
    mpp = "" if row.mpp is None else f"{row.mpp:.4g}"
    place = "" if row.location is None else str(row.location)
    return row.name, _state(row), size_text(row.size), mpp, row.licence, place


def _state(row: ModelRow) -> str:
    return "cannot be used" if _is_damaged(row) else STATES[row.state][0]


def _colour(row: ModelRow) -> str:
    return _DAMAGED if _is_damaged(row) else STATES[row.state][1]


def _is_damaged(row: ModelRow) -> bool:
    """Whether a model's file is there and no good."""
    return row.kind == "model" and bool(row.problem) and not row.facts


def _tip(row: ModelRow) -> str:
    """The whole name, which a narrow table cuts, and what it is."""
    purpose = "" if row.summary is None else row.summary.purpose
    what = row.problem or (purpose if row.entry is None else row.entry.note)
    return "\n".join(filter(None, (row.name, what)))
