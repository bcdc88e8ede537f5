"""A confusion matrix as shades and numbers. Slow to import, as ``parts.plots``."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from qtpy.QtCore import QEvent
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_construct.widgets.fields.controls import wrapped_label
from napari_construct.widgets.parts.plots import Axes, ink

_ROW: Final = 34
_SHADES: Final = np.stack([np.linspace(255, dark, 256) for dark in (0, 90, 150)], axis=1).astype(np.uint8)
"""From white to blue, as in the HTML report."""

_LONGEST: Final = 10


class ConfusionPlot(QWidget):
    """Percent of each true class (rows) by predicted class (columns)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = "Rows: true classes. Columns: predicted classes, in percent of the row"
        text = "Confusion matrix (%): true classes in rows, predicted in columns"
        self._words = wrapped_label("Confusion matrix, how to read it", tip, self, text)
        self._axes = Axes("Confusion matrix", tip, 3 * _ROW, self)
        self._image = pyqtgraph.ImageItem(axisOrder="row-major")
        self._axes.box.addItem(self._image)
        self._axes.box.invertY(True)
        self._texts: list[Any] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._words)
        layout.addWidget(self._axes)

    def showMatrix(self, matrix: NDArray[np.int64], names: tuple[str, ...]) -> None:
        """Replace the matrix (k, k + 1); its last column counts unlabelled pixels."""
        total = matrix.sum(axis=1, keepdims=True)
        shares = np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)
        self._image.setImage(_SHADES[(shares * 255).round().astype(int)], autoLevels=False, levels=(0, 255))
        for text in self._texts:
            self._axes.box.removeItem(text)
        self._texts = []
        for i, j in np.ndindex(*matrix.shape):
            words = f"{100 * shares[i, j]:.0f}" if total[i, 0] else "-"
            text = pyqtgraph.TextItem(
                words, color="#FFFFFF" if shares[i, j] > 0.5 else "#222222", anchor=(0.5, 0.5)
            )
            text.setPos(j + 0.5, i + 0.5)
            self._axes.box.addItem(text)
            self._texts.append(text)
        columns = (*names, "none")
        for side, labels in (("left", names), ("bottom", columns)):
            ticks = [(i + 0.5, _short(label, len(labels))) for i, label in enumerate(labels)]
            self._axes.axes[side].setTicks([ticks])
        self._axes.setFixedHeight(_ROW * (len(names) + 1))
        self._axes.box.setRange(xRange=(0, len(columns)), yRange=(0, len(names)), padding=0)

    def texts(self) -> list[str]:
        """The numbers in the cells, row by row."""
        return [text.toPlainText() for text in self._texts]

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._axes.setInk(ink(self._words))

    def changeEvent(self, event: QEvent) -> None:
        """A change of theme arrives as a change of style."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange) and self.isVisible():
            self._axes.setInk(ink(self._words))


def _short(word: str, count: int) -> str:
    """A name, shortened if there are many."""
    most = max(_LONGEST - 2 * max(count - 3, 0), 3)
    return word if len(word) <= most else f"{word[: most - 1]}\u2026"
