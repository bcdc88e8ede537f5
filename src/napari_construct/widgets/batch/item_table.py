"""The images of a batch and their states."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QHeaderView, QTableWidgetItem, QWidget

from napari_construct.batch.entries import Area, Entry
from napari_construct.widgets.fields.controls import ReadOnlyTable, plain_tip
from napari_construct.widgets.fields.in_window import in_window
from napari_construct.widgets.fields.message_label import Level

_STATES: Final = {"waiting": "waiting", "running": "running...", "done": "done", "failed": "failed"}

_WARNINGS: Final = 2
"""The column of the number of warnings; on view where there are any."""


class ItemTable(ReadOnlyTable):
    """One row per input, and during a batch one row per image; a double click opens the image.

    A double click on the number of warnings asks for their texts.

    Rows are found by keys; unknown keys get a new row at the end.
    """

    opened = Signal(object)
    """The entry of a double-clicked row."""
    warningsRequested = Signal(object)
    """The entry whose number of warnings was double-clicked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        tip = (
            "Double-click a row to open the image, with its result if there is one; its warnings to read them"
        )
        super().__init__("Images of the batch", tip, ("Image", "State", "Warnings"), parent)
        self._entries: dict[str, Entry] = {}
        self.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setSectionResizeMode(_WARNINGS, QHeaderView.ResizeMode.ResizeToContents)
        self.setColumnWidth(1, 110)
        self.setColumnHidden(_WARNINGS, True)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setMinimumHeight(120)
        self.cellDoubleClicked.connect(self._on_double_click)

    def showItems(self, items: Any) -> None:
        """Replace all rows; ``items`` are pairs of key and name."""
        self._entries = {key: Entry(key, name) for key, name in items}
        self.setColumnHidden(_WARNINGS, True)
        self.setRowCount(len(self._entries))
        for row, entry in enumerate(self._entries.values()):
            self._show(row, entry)

    def showEntry(self, entry: Entry) -> None:
        """Show the state of one image."""
        if entry.key not in self._entries:
            self.setRowCount(self.rowCount() + 1)
        self._entries[entry.key] = entry
        row = list(self._entries).index(entry.key)
        self._show(row, entry)
        if entry.state == "running":
            self.scrollToItem(self.item(row, 0))

    def showProgress(self, text: str) -> None:
        """Show how far the image is that is being done, e.g. "tiles 34 %"."""
        running = [row for row, entry in enumerate(self._entries.values()) if entry.state == "running"]
        for row in running[-1:]:
            state = self.item(row, 1)
            if state is not None and state.text() != text:
                state.setText(text)
                state.setToolTip(plain_tip(text))

    def entries(self) -> list[Entry]:
        return list(self._entries.values())

    def selectedKeys(self) -> list[str]:
        keys = list(self._entries)
        return [keys[index.row()] for index in self.selectionModel().selectedRows()]

    def _show(self, row: int, entry: Entry) -> None:
        name = QTableWidgetItem(entry.name or Path(entry.key).name)
        name.setToolTip(plain_tip(entry.key))
        shares = ", ".join(map(_share, entry.areas))
        state = QTableWidgetItem(shares or _STATES[entry.state])
        state.setToolTip(plain_tip(in_window(entry.error) or shares or _STATES[entry.state]))
        if entry.state == "failed":
            state.setForeground(QColor(Level.ERROR.value))
        self.setItem(row, 0, name)
        self.setItem(row, 1, state)
        self.setItem(row, _WARNINGS, _warnings(entry))
        if entry.warnings:
            self.setColumnHidden(_WARNINGS, False)

    def _on_double_click(self, row: int, column: int) -> None:
        entry = list(self._entries.values())[row]
        asked = column == _WARNINGS and bool(entry.warnings)
        (self.warningsRequested if asked else self.opened).emit(entry)


def _share(area: Area) -> str:
    """E.g. "tumour 34 %", or "23 cells, 3 %"."""
    called = f"{area['cells']} cells," if "cells" in area else area["class"]
    return f"{called} {area['percent_of_tissue']:.0f} %"


def _warnings(entry: Entry) -> QTableWidgetItem:
    """The number of warnings, with their texts as its tip."""
    count = len(entry.warnings)
    item = QTableWidgetItem(str(count) if count else "")
    item.setToolTip(plain_tip("\n".join(entry.warnings)))
    item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
    return item
