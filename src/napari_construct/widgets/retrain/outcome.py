"""Scores before and after, class by class."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QTableWidgetItem, QWidget

from napari_construct.widgets.fields.controls import ReadOnlyTable
from napari_construct.widgets.retrain.job import Retrained

_HEADS: Final = ("", "IoU before", "after", "recall before", "after")


class BeforeAfter(ReadOnlyTable):
    """A row for each class and one for their mean; hidden until there are scores."""

    def __init__(self, parent: QWidget | None = None) -> None:
        tip = "Scores in percent of the old and the new model on the corrections that were left out"
        super().__init__("Scores before and after", tip, _HEADS, parent)
        self.hide()

    def showScores(self, done: Retrained) -> None:
        """Show the scores of a run; nothing where nothing was left out."""
        before, after = done.before, done.after
        if before is None or after is None:
            self.hide()
            return
        rows = [
            (name, *map(_percent, numbers))
            for name, *numbers in zip(
                before.classes, before.iou, after.iou, before.recall, after.recall, strict=True
            )
        ]
        mean = before.mean_iou, after.mean_iou, before.mean_recall, after.mean_recall
        rows.append(("mean", *map(_percent, mean)))
        self.setRowCount(len(rows))
        for i, row in enumerate(rows):
            for j, text in enumerate(row):
                item = QTableWidgetItem(text)
                if j:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(i, j, item)
        height = self.horizontalHeader().sizeHint().height() + 4
        self.setFixedHeight(height + sum(self.rowHeight(i) for i in range(min(len(rows), 8))))
        self.show()

    def rows(self) -> list[tuple[str, ...]]:
        """The shown rows."""
        return [
            tuple(self.item(i, j).text() for j in range(self.columnCount())) for i in range(self.rowCount())
        ]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
