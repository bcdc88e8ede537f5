"""The column of a dock widget: what scrolls, up and down only, and what stays below it."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

_USUAL_WIDTH = 300
"""Pixels; wide enough for the title that napari gives a dock."""


class VerticalScroll(QScrollArea):
    """Scrolls vertically and is never narrower than its content, so that nothing is cut at the right."""

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def sizeHint(self) -> QSize:
        content = self.widget().sizeHint()
        return QSize(max(self._least_width(), content.width(), _USUAL_WIDTH), content.height())

    def minimumSizeHint(self) -> QSize:
        return QSize(self._least_width(), 120)

    def _least_width(self) -> int:
        bar = self.verticalScrollBar().sizeHint().width()
        return int(self.widget().minimumSizeHint().width() + bar)


def column(dock: QWidget) -> QVBoxLayout:
    """An empty column for the parts of a dock widget that scroll; :func:`fill_dock` puts it there."""
    inside = QWidget(dock)
    inside.setObjectName("inside")
    layout = QVBoxLayout(inside)
    layout.setContentsMargins(0, 0, 6, 0)
    return layout


def fill_dock(dock: QWidget, scrolled: QVBoxLayout, *below: QWidget) -> None:
    """Lay a dock widget out: a column that scrolls, and below it what is always in view."""
    outer = QVBoxLayout(dock)
    outer.addWidget(VerticalScroll(scrolled.parentWidget(), dock), 1)
    for part in below:
        outer.addWidget(part)
