"""A list that may be narrower than its texts: what is cut ends in dots, and its tooltip says the whole."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QHelpEvent, QPaintEvent
from qtpy.QtWidgets import (
    QComboBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QWidget,
)

from napari_construct.widgets.fields.controls import narrow, plain_tip


class NarrowCombo(QComboBox):
    """Asks for the width of some letters, not of its longest item; cuts its text at the right."""

    cut = Qt.TextElideMode.ElideRight

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        narrow(self)

    def closedText(self) -> str:
        """What the closed list says: the text of its entry."""
        return str(self.currentText())

    def shownText(self) -> str:
        """The current text as far as there is room for it."""
        option = self._option()
        return self.fontMetrics().elidedText(option.currentText, self.cut, max(self._room(option), 0))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        if self.isEditable():  # its line paints the text
            super().paintEvent(event)
            return
        option, painter = self._option(), QStylePainter(self)
        option.currentText = self.shownText()
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def event(self, event: QEvent | None) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.wholeTip(), self)
            return True
        return super().event(event)

    def wholeTip(self) -> str:
        """The tooltip, after the current text where that is cut."""
        text = self.closedText()
        option = self._option()
        if self.fontMetrics().horizontalAdvance(text) <= self._room(option):
            return self.toolTip()
        return "\n".join(filter(None, (plain_tip(text), self.toolTip())))

    def _option(self) -> QStyleOptionComboBox:
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.closedText()
        return option

    def _room(self, option: QStyleOptionComboBox) -> int:
        part = QStyle.SubControl.SC_ComboBoxEditField
        style = self.style()
        if style is None:
            return self.width()
        return style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self).width()
