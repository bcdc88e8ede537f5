"""A button that names what it acts on; a long name is cut in its middle, never the words before it."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QPushButton, QWidget

_LETTERS = 12
"""Of a name that the button asks room for; it takes more where there is more."""
_AROUND = 24
"""Pixels of frame and padding beside the text."""


class NamedButton(QPushButton):
    """Shows words and a name, e.g. "Segment " and "testA_35"; an & in them is shown as it is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words, self._name = "", ""

    def showWords(self, words: str, name: str = "") -> None:
        """Show other words, and what they act on."""
        self._words, self._name = words, name
        self._fit()
        self.updateGeometry()

    def whole(self) -> str:
        """Words and name, not cut."""
        return self._words + self._name

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(self._width(min(len(self._name), _LETTERS)), hint.height())

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._fit()

    def _width(self, letters: int) -> int:
        return self.fontMetrics().horizontalAdvance(self._words + "n" * letters) + _AROUND

    def _fit(self) -> None:
        room = self.width() - self._width(0)
        name = self.fontMetrics().elidedText(self._name, Qt.TextElideMode.ElideMiddle, max(room, 0))
        text = (self._words + name).replace("&", "&&")
        if text != self.text():
            self.setText(text)
