"""Parts of a dock that can be folded away."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget
from superqt import QCollapsible


def fold(title: str, tip: str, content: QWidget, parent: QWidget) -> QCollapsible:
    """A part under a title, folded at first."""
    part = QCollapsible(title, parent)
    part.setDuration(0)
    part.addWidget(content)
    part.setContentsMargins(0, 0, 0, 0)
    part.content().layout().setContentsMargins(0, 0, 0, 0)
    button = part.toggleButton()
    button.setToolTip(tip)
    button.setAccessibleName(f"{title}, shown or folded")
    button.setStyleSheet("QPushButton { text-align: left; background: transparent; }")
    return part
