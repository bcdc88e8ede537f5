"""The result of an evaluation of a student: scores of cells and images; saved on request."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.evaluate.cells.scores import CellScored
from napari_construct.widgets.evaluate.save_scores import SaveScores
from napari_construct.widgets.evaluate.score_table import ScoreTable
from napari_construct.widgets.fields.layout import stacked

_IMAGES: Final = ("image", "true", "found", "Dice")


class CellOutcome(QWidget):
    """Shows a :class:`~napari_construct.widgets.evaluate.cells.scores.CellScored`; hidden without one."""

    opened = Signal(str)
    """The name of a double-clicked image."""
    said = Signal(str)
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scored: CellScored | None = None
        tip = (
            "Scores in percent, over pixels, contours and cells of all images. AP = TP / (TP + FP + FN) of "
            "cells at an IoU of 0.5, of 0.75, and the mean over 0.5 to 0.95"
        )
        self.table = ScoreTable("Scores of cells", tip, ("score", "student"), self)
        tip = (
            "True and found cells, and Dice in percent, the worst image first. Double-click an image to open "
            "it with drawn and found cells"
        )
        self.images = ScoreTable("Images", tip, _IMAGES, self)
        self.images.cellDoubleClicked.connect(self._on_double_click)
        self._save = SaveScores(self)
        self._save.said.connect(self.said)
        self._save.failed.connect(self.failed)
        stacked(self, self.table, self.images, self._save)
        self.hide()

    def scored(self) -> CellScored | None:
        return self._scored

    def showScored(self, scored: CellScored) -> None:
        """Show scores."""
        self._scored = scored
        self.table.setHeads(scored.heads(), scored.tips())
        self.table.showRows(scored.rows())
        self.images.showRows(scored.images())
        self._save.setScores(scored)
        self.show()

    def clear(self) -> None:
        """Show no scores."""
        self._scored = None
        self._save.setScores(None)
        self.hide()

    def save(self, path: str) -> None:
        """Save the scores in the format of the suffix."""
        self._save.save(path)

    def _on_double_click(self, row: int, _: int) -> None:
        self.opened.emit(self.images.item(row, 0).text())
