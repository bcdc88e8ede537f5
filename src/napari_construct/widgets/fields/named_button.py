"""A button that names what it acts on; a long name is cut in its middle."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QResizeEvent, QShowEvent
from qtpy.QtWidgets import QPushButton, QWidget

_LETTERS = 8
"""Of a name that are shown at least; where the words leave no room for them, these are cut as well."""
_WIDEST = 200
"""Pixels that the button asks for at most; it takes more where there is more."""
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
        return QSize(min(self._width(_LETTERS if self._name else 0), _WIDEST), hint.height())

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._fit()

    def _width(self, letters: int) -> int:
        return self.fontMetrics().horizontalAdvance(self._words + "n" * letters) + _AROUND

    def _fit(self) -> None:
        room, cut = self.width() - self._width(0), Qt.TextElideMode.ElideMiddle
        metrics = self.fontMetrics()
        if not self._name or not self.isVisible():  # its width is none yet
            shown = self.whole()
        elif room >= min(metrics.horizontalAdvance(self._name), metrics.horizontalAdvance("n" * _LETTERS)):
            shown = self._words + metrics.elidedText(self._name, cut, room)
        else:
            shown = metrics.elidedText(self.whole(), cut, self.width() - _AROUND)
        text = shown.replace("&", "&&")
        if text != self.text():
            self.setText(text)
