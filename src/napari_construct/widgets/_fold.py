"""Parts of a dock under a title."""

from __future__ import annotations

from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QGroupBox, QVBoxLayout, QWidget
from superqt import QCollapsible


class _Fold(QCollapsible):
    """Its arrow is part of the text: an icon would be drawn in the palette's black, also on a dark theme."""

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(title, parent, expandedIcon=QIcon(), collapsedIcon=QIcon())
        self._title = title
        self.toggled.connect(self._show_arrow)
        self._show_arrow(open_=False)

    def _show_arrow(self, open_: bool) -> None:
        arrow = "\u25be" if open_ else "\u25b8"
        self.setText(f"{arrow} {self._title}")


def fold(title: str, tip: str, content: QWidget, parent: QWidget) -> QCollapsible:
    """A part under a title, folded at first."""
    part = _Fold(title, parent)
    part.setDuration(0)
    part.addWidget(content)
    part.setContentsMargins(0, 0, 0, 0)
    part.content().layout().setContentsMargins(0, 0, 0, 0)
    button = part.toggleButton()
    button.setToolTip(tip)
    button.setAccessibleName(f"{title}, shown or folded")
    button.setStyleSheet("QPushButton { text-align: left; background: transparent; }")
    return part


def boxed(title: str, content: QWidget) -> QGroupBox:
    """A part under a title, always open."""
    box = QGroupBox(title)
    QVBoxLayout(box).addWidget(content)
    return box
