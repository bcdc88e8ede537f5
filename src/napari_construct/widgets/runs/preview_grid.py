"""A few images beside what the model says of them, as wide as the dock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap, QResizeEvent
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_construct.types import RGBImage
from napari_construct.widgets.fields.controls import named
from napari_construct.widgets.runs.pictures import Preview

_GAP: Final = 4


class PreviewGrid(QWidget):
    """Pairs of pictures: the image, and the image with what the model says.

    Parameters
    ----------
    tip : str
        What the pictures show.
    words : tuple of str
        What the two of a pair are called.
    columns : int
        Pairs in a row.
    """

    def __init__(
        self, tip: str, words: tuple[str, str], columns: int = 2, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._across = 2 * columns
        self._pictures: list[tuple[QLabel, QPixmap]] = []
        self._words = words
        self._title = named(QLabel(self), "Previews", tip)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(_GAP)
        self._grid.addWidget(self._title, 0, 0, 1, self._across)
        self.hide()

    def count(self) -> int:
        """Number of shown images."""
        return len(self._pictures) // 2

    def clear(self) -> None:
        for label, _ in self._pictures:
            label.setParent(None)
            label.deleteLater()
        self._pictures = []
        self.hide()

    def showPreviews(self, previews: Sequence[Preview], title: str) -> None:
        """Replace the shown images."""
        pairs = [(p.name, words, part) for p in previews
                 for words, part in zip(self._words, (p.image, p.activation), strict=True)]  # fmt: skip
        if len(pairs) != len(self._pictures):
            self.clear()
            for i in range(len(pairs)):
                label = QLabel(self)
                self._grid.addWidget(label, 1 + i // self._across, i % self._across)
                self._pictures.append((label, QPixmap()))
        self._title.setText(title)
        for i, (name, words, part) in enumerate(pairs):
            label = self._pictures[i][0]
            named(label, f"{name}: {words}", f"{name}: {words}")
            self._pictures[i] = label, pixmap_of(part)
        self._fit()
        self.setVisible(bool(pairs))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        side = max((self.width() - _GAP * (self._across - 1)) // self._across, 16)
        for label, pixmap in self._pictures:
            label.setMinimumWidth(16)
            label.setPixmap(
                pixmap.scaled(
                    side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
                )
            )


def pixmap_of(pixels: RGBImage) -> QPixmap:
    """(h, w, 3) uint8 as a pixmap."""
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels)
    return QPixmap.fromImage(QImage(rows.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888))
