"""The images of a batch and what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_construct.batch.ledger import Entry
from napari_construct.widgets.fields.message_label import Level

_STATES: Final = {"waiting": "waiting", "running": "running...", "done": "done", "failed": "failed"}


class ItemTable(QTableWidget):
    """One row an input, and while a batch runs one row an image; a double click opens it.

    Rows are named by keys; what is unknown is added at the end.
    """

    opened = Signal(object)
    """The entry of a row that was double-clicked; its state may be waiting."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 2, parent)
        self._entries: dict[str, Entry] = {}
        self.setHorizontalHeaderLabels(["Image", "State"])
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
        self.setColumnWidth(1, 110)
        self.verticalHeader().hide()
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setMinimumHeight(120)
        self.setToolTip("Double-click a row to open the image, and its result where there is one")
        self.setAccessibleName("Images of the batch")
        self.cellDoubleClicked.connect(self._on_double_click)

    def showItems(self, items: Any) -> None:
        """Replace all rows; ``items`` are pairs of key and name."""
        self._entries = {key: Entry(key, name) for key, name in items}
        self.setRowCount(len(self._entries))
        for row, entry in enumerate(self._entries.values()):
            self._show(row, entry)

    def showEntry(self, entry: Entry) -> None:
        """Say what became of one image."""
        if entry.key not in self._entries:
            self.setRowCount(self.rowCount() + 1)
        self._entries[entry.key] = entry
        row = list(self._entries).index(entry.key)
        self._show(row, entry)
        if entry.state == "running":
            self.scrollToItem(self.item(row, 0))

    def entries(self) -> list[Entry]:
        return list(self._entries.values())

    def selectedKeys(self) -> list[str]:
        keys = list(self._entries)
        return [keys[index.row()] for index in self.selectionModel().selectedRows()]

    def _show(self, row: int, entry: Entry) -> None:
        name = QTableWidgetItem(entry.name or Path(entry.key).name)
        name.setToolTip(entry.key)
        shares = ", ".join(f"{area['class']} {area['percent_of_tissue']:.0f} %" for area in entry.areas)
        state = QTableWidgetItem(shares or _STATES[entry.state])
        state.setToolTip(entry.error or shares or _STATES[entry.state])
        if entry.state == "failed":
            state.setForeground(QColor(Level.ERROR.value))
        self.setItem(row, 0, name)
        self.setItem(row, 1, state)

    def _on_double_click(self, row: int, _: int) -> None:
        self.opened.emit(list(self._entries.values())[row])
