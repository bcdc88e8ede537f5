"""The strokes of each image, which of them count, and the score of those that were left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QTableWidgetItem, QWidget

from napari_construct.widgets.fields.controls import ReadOnlyTable, button, plain_tip, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.layers.strokes import is_used
from napari_construct.widgets.teach.requests import Count

if TYPE_CHECKING:  # loads torch
    from napari_construct.teaching.held_out import HeldOut

_HEADS: Final = ("Image", "Strokes")
_TIP: Final = "Images with strokes. A tick: they are learned from. A click brings their layer on view"
_SCORE_TIP: Final = (
    "Each stroke is left out in turn and predicted from the others. The number is the share of a stroke that "
    "is right, as a mean over the classes"
)
_MOST_ROWS: Final = 5


class StrokesTable(QWidget):
    """One row for each layer of strokes."""

    usedChanged = Signal(object, bool)
    """A layer, and whether it is learned from now."""
    chosen = Signal(object)
    """A layer that was clicked on."""
    removed = Signal(object)
    """A layer that is to be removed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: list[Any] = []
        self._counts: Mapping[str, Sequence[Count]] = {}
        self._table = ReadOnlyTable("Strokes of images", _TIP, _HEADS, self)
        self._table.itemChanged.connect(self._on_item)
        self._table.cellClicked.connect(self._on_clicked)
        tip = "Remove the strokes of the selected image, with their layer"
        self._remove = button("Remove...", tip, self._on_remove, self, name="Remove the strokes of the image")
        self._score = wrapped_label("Score of strokes left out", _SCORE_TIP, self)
        self._table.itemSelectionChanged.connect(self._refresh)
        stacked(self, self._table, self._score, self._remove)
        self.showLayers([])

    def showLayers(self, layers: Sequence[Any]) -> None:
        """Show these layers of strokes."""
        self._layers = list(layers)
        self._show()

    def showCounts(self, counts: Mapping[str, Sequence[Count]]) -> None:
        """Show what was counted, by the key of each layer."""
        self._counts = counts
        self._show()

    def showScore(self, score: HeldOut | None) -> None:
        """Say how strokes were predicted that were left out."""
        self._score.setText(score_in_words(score))
        self._score.setVisible(bool(self._layers))
        self._score.setToolTip(plain_tip("\n".join(filter(None, (_SCORE_TIP, _by_class(score))))))

    def text(self) -> str:
        """The line with the score."""
        return str(self._score.text())

    def rows(self) -> list[tuple[str, str, bool]]:
        """What is on view: image, strokes, and whether they count."""
        found = []
        for row in range(self._table.rowCount()):
            name, counts = self._table.item(row, 0), self._table.item(row, 1)
            if name is not None and counts is not None:
                found.append((name.text(), counts.text(), name.checkState() == Qt.CheckState.Checked))
        return found

    def setUsed(self, row: int, *, used: bool) -> None:
        """Tick a row or untick it, as a click does."""
        item = self._table.item(row, 0)
        if item is not None:
            item.setCheckState(Qt.CheckState.Checked if used else Qt.CheckState.Unchecked)

    def select(self, row: int) -> None:
        """Select a row."""
        self._table.selectRow(row)

    def remove(self) -> None:
        """Ask for the removal of the selected row, as the button does."""
        self._on_remove()

    def _show(self) -> None:
        blocked = self._table.blockSignals(True)
        self._table.setRowCount(len(self._layers))
        for row, layer in enumerate(self._layers):
            said = _in_words(self._counts.get(str(layer.unique_id), ()))
            name, counts = QTableWidgetItem(layer.name.removesuffix(" strokes")), QTableWidgetItem(said)
            name.setFlags(
                Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable
            )
            name.setCheckState(Qt.CheckState.Checked if is_used(layer) else Qt.CheckState.Unchecked)
            name.setToolTip(plain_tip(f"{layer.name}. Untick it to learn from the others only"))
            counts.setToolTip(plain_tip(said or "nothing was painted yet"))
            self._table.setItem(row, 0, name)
            self._table.setItem(row, 1, counts)
        self._table.blockSignals(blocked)
        height = self._table.horizontalHeader().sizeHint().height() + 4
        rows = min(max(len(self._layers), 1), _MOST_ROWS)
        self._table.setFixedHeight(height + rows * self._table.verticalHeader().defaultSectionSize())
        self._score.setVisible(bool(self._layers))
        self._refresh()

    def _refresh(self) -> None:
        self._remove.setEnabled(self._selected() is not None)
        self._remove.setVisible(bool(self._layers))

    def _selected(self) -> Any:
        rows = sorted({index.row() for index in self._table.selectedIndexes()})
        return self._layers[rows[0]] if rows and rows[0] < len(self._layers) else None

    def _on_item(self, item: QTableWidgetItem) -> None:
        if item.column() == 0 and item.row() < len(self._layers):
            self.usedChanged.emit(self._layers[item.row()], item.checkState() == Qt.CheckState.Checked)

    def _on_clicked(self, row: int, column: int) -> None:
        if column and row < len(self._layers):
            self.chosen.emit(self._layers[row])

    def _on_remove(self, *_: object) -> None:
        layer = self._selected()
        if layer is not None:
            self.removed.emit(layer)


def score_in_words(score: HeldOut | None) -> str:
    """E.g. "Left-out strokes: 0.91 of 14 right"."""
    if score is None:
        return "Left-out strokes: no score yet"
    if score.balanced_accuracy is None:
        return "Left-out strokes: no score yet; it needs two strokes of each of two classes"
    count = sum(one.strokes for one in score.classes if one.recall is not None)
    return f"Left-out strokes: {score.balanced_accuracy:.2f} of {count} right"


def _by_class(score: HeldOut | None) -> str:
    if score is None:
        return ""
    return "\n".join(
        f"{one.name}: {one.strokes} strokes" + ("" if one.recall is None else f", {one.recall:.2f} right")
        for one in score.classes
        if one.strokes
    )


def _in_words(counts: Sequence[Count]) -> str:
    return ", ".join(f"{one.name}: {one.strokes}" for one in counts)
