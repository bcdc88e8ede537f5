"""Scores as a table in a dock."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget


class ScoreTable(QTableWidget):
    """Rows of text: a name and numbers.

    Parameters
    ----------
    name, tip : str
        What it shows.
    heads : sequence of str
        Titles of the columns; the first one names the rows.
    most : int
        Rows shown at once.
    """

    def __init__(
        self, name: str, tip: str, heads: Sequence[str], *, most: int = 8, parent: QWidget | None = None
    ) -> None:
        super().__init__(0, len(heads), parent)
        self._most = most
        self.setHorizontalHeaderLabels(list(heads))
        header = self.horizontalHeader()
        header.setMinimumSectionSize(30)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.verticalHeader().hide()
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setToolTip(tip)
        self.setAccessibleName(name)

    def showRows(self, rows: Sequence[Sequence[str]]) -> None:
        """Replace all rows."""
        self.setRowCount(len(rows))
        for i, row in enumerate(rows):
            for j, words in enumerate(row):
                item = QTableWidgetItem(words)
                item.setToolTip(f"{row[0]}, {self.horizontalHeaderItem(j).text()}: {words}" if j else words)
                if j:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(i, j, item)
        height = self.horizontalHeader().sizeHint().height() + 4
        self.setFixedHeight(height + sum(self.rowHeight(i) for i in range(min(len(rows), self._most))))

    def rows(self) -> list[tuple[str, ...]]:
        """What is shown."""
        return [
            tuple(self.item(i, j).text() for j in range(self.columnCount())) for i in range(self.rowCount())
        ]
