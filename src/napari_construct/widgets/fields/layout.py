"""Parts of a dock under a title."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QGroupBox,
    QLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)
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
        self.content().setVisible(open_)  # Tab does not lead into what is folded away


def fold(title: str, tip: str, content: QWidget, parent: QWidget) -> QCollapsible:
    """A part under a title, closed at first."""
    part = _Fold(title, parent)
    part.setDuration(0)
    part.addWidget(content)
    part.layout().setContentsMargins(0, 0, 0, 0)
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


def stacked(widget: QWidget, *parts: QWidget | QLayout) -> QVBoxLayout:
    """Lay out the parts of a widget below each other, without margins."""
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        (layout.addLayout if isinstance(part, QLayout) else layout.addWidget)(part)
    return layout


def form(parent: QWidget | None = None) -> QFormLayout:
    """An empty form without margins, whose fields are as wide as the dock."""
    layout = QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout


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


def fill_dock(
    dock: QWidget,
    parts: Iterable[QWidget | QLayout],
    below: Iterable[QWidget],
    *,
    grows: QWidget | None = None,
) -> None:
    """Lay out a dock widget: parts in a scrolling column, and below it the parts that stay in view.

    The part that ``grows`` gets the space that is left; without one it stays empty at the bottom.
    """
    inside = QWidget(dock)
    inside.setObjectName("inside")
    column = stacked(inside, *parts)
    column.setContentsMargins(0, 0, 6, 0)
    if grows is None:
        column.addStretch(1)
    else:
        column.setStretchFactor(grows, 1)
    outer = QVBoxLayout(dock)
    outer.addWidget(VerticalScroll(inside, dock), 1)
    for widget in below:
        outer.addWidget(widget)


def swatch(colour: str, side: int = 14) -> QIcon:
    """A square in a class's colour."""
    pixmap = QPixmap(side, side)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)
