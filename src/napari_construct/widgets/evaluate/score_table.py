"""Scores as a table in a dock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QTableWidgetItem, QWidget

from napari_construct.widgets.fields.controls import ReadOnlyTable, plain_tip

_MOST: Final = 8
"""Rows shown at once."""


class ScoreTable(ReadOnlyTable):
    """Rows of a name and numbers; the first column names the rows."""

    def __init__(self, name: str, tip: str, heads: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(name, tip, heads, parent)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)

    def setHeads(self, heads: Sequence[str], tips: Sequence[str]) -> None:
        """Replace the columns; all rows go."""
        self.setRowCount(0)
        self.setColumnCount(len(heads))
        self.setHorizontalHeaderLabels(list(heads))
        for i, tip in enumerate(tips):
            self.horizontalHeaderItem(i).setToolTip(plain_tip(tip))

    def showRows(self, rows: Sequence[Sequence[str]]) -> None:
        """Replace all rows."""
        self.setRowCount(len(rows))
        for i, row in enumerate(rows):
            for j, words in enumerate(row):
                item = QTableWidgetItem(words)
                tip = f"{row[0]}, {self.horizontalHeaderItem(j).text()}: {words}" if j else words
                item.setToolTip(plain_tip(tip))
                if j:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(i, j, item)
        height = self.horizontalHeader().sizeHint().height() + 4
        self.setFixedHeight(height + sum(self.rowHeight(i) for i in range(min(len(rows), _MOST))))

    def rows(self) -> list[tuple[str, ...]]:
        """The shown rows."""
        return [
            tuple(self.item(i, j).text() for j in range(self.columnCount())) for i in range(self.rowCount())
        ]
