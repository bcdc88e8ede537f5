"""Squares in the colours of classes."""

from __future__ import annotations

from qtpy.QtGui import QColor, QIcon, QPixmap


def swatch(colour: str, side: int = 14) -> QIcon:
    """A square in a class's colour."""
    pixmap = QPixmap(side, side)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)
