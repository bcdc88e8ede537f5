"""Parts of a dock under a title."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QFrame, QGroupBox, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_construct.widgets.fields.controls import named


class _Fold(QCollapsible):
    """Its arrow is part of the text: an icon would be black, also on a dark theme."""

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(title, parent, expandedIcon=QIcon(), collapsedIcon=QIcon())
        self._title = title
        self.toggled.connect(self._show_arrow)
        self._show_arrow(open_=False)

    def _show_arrow(self, open_: bool) -> None:
        arrow = "\u25be" if open_ else "\u25b8"
        self.setText(f"{arrow} {self._title}")


def fold(title: str, tip: str, content: QWidget, parent: QWidget) -> QCollapsible:
    """A part under a title, closed at first."""
    part = _Fold(title, parent)
    part.setDuration(0)
    part.addWidget(content)
    part.setContentsMargins(0, 0, 0, 0)
    part.content().layout().setContentsMargins(0, 0, 0, 0)
    button = part.toggleButton()
    named(button, f"{title}, open or close", tip)
    button.setStyleSheet("QPushButton { text-align: left; background: transparent; }")
    return part


def boxed(title: str, content: QWidget) -> QGroupBox:
    """A part under a title, always open."""
    box = QGroupBox(title)
    QVBoxLayout(box).addWidget(content)
    return box


_USUAL_WIDTH = 300
"""Pixels; wide enough for the title that napari gives a dock."""


class VerticalScroll(QScrollArea):
    """Scrolls vertically; never narrower than its content, so that nothing is cut at the right."""

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
    """An empty column for the scrolling parts of a dock widget; :func:`fill_dock` adds it."""
    inside = QWidget(dock)
    inside.setObjectName("inside")
    layout = QVBoxLayout(inside)
    layout.setContentsMargins(0, 0, 6, 0)
    return layout


def fill_dock(dock: QWidget, scrolled: QVBoxLayout, *below: QWidget) -> None:
    """Lay out a dock widget: a scrolling column, and below it the parts that stay in view."""
    outer = QVBoxLayout(dock)
    outer.addWidget(VerticalScroll(scrolled.parentWidget(), dock), 1)
    for part in below:
        outer.addWidget(part)


def swatch(colour: str, side: int = 14) -> QIcon:
    """A square in a class's colour."""
    pixmap = QPixmap(side, side)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)
