"""One patch, large, with what lies around it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPixmap
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_construct.types import RGBImage
from napari_construct.widgets.fields.controls import named

_SIDE: Final = 300
_AROUND: Final = 3.0
"""Sides of the patch in the picture of its surroundings."""

_SHOWN: Final = 1.7
"""Sides of the patch that are shown of it."""

_BACK: Final = "#808080"


class PatchPicture(QWidget):
    """Shows a patch; a frame in the colour of the selection says that keys count."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._patch = QPixmap()
        self._around = QPixmap()
        self._active = False
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMinimumSize(160, 160)
        named(self, "Patch", "The patch inside the frame is labelled. What lies around it is shown dimmed")

    def sizeHint(self) -> QSize:
        return QSize(_SIDE, _SIDE)

    def heightForWidth(self, width: int) -> int:
        return min(width, 2 * _SIDE)

    def showPatch(self, patch: RGBImage | None, around: RGBImage | None) -> None:
        """Show a patch (h, w, 3) uint8 and its surroundings, of which it is the middle; None shows "
        "nothing.
        """
        self._patch = QPixmap() if patch is None else pixmap_of(patch)
        self._around = QPixmap() if around is None else pixmap_of(around)
        self.update()

    def setActive(self, active: bool) -> None:
        """Whether keys go to the gallery."""
        self._active = active
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        side = min(self.width(), self.height()) - 4
        square = QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)
        if self._patch.isNull():
            painter.setPen(QPen(QColor(_BACK), 1, Qt.PenStyle.DashLine))
            painter.drawRect(square)
            return
        middle = square
        if not self._around.isNull():
            middle = _within(square, side / _SHOWN, side / _SHOWN)
            part = self._around.width() * _SHOWN / _AROUND
            source = _within(QRectF(self._around.rect()), part, part)
            painter.drawPixmap(square, self._around, source)
            painter.fillRect(square, QColor(128, 128, 128, 90))
        else:
            ratio = self._patch.width() / self._patch.height()
            middle = _within(square, side * min(ratio, 1.0), side / max(ratio, 1.0))
        painter.drawPixmap(middle, self._patch, QRectF(self._patch.rect()))
        painter.setPen(QPen(QColor("black"), 3))
        painter.drawRect(middle)
        painter.setPen(QPen(QColor("white"), 1))
        painter.drawRect(middle)
        if self._active:
            painter.setPen(QPen(self.palette().highlight().color(), 3))
            painter.drawRect(QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5))


def pixmap_of(pixels: RGBImage) -> QPixmap:
    """(h, w, 3) uint8 as a pixmap."""
    rows, columns = pixels.shape[:2]
    data: Any = np.ascontiguousarray(pixels)
    image = QImage(data.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image.copy())


def _within(around: QRectF, width: float, height: float) -> QRectF:
    """A rectangle of a size in the middle of another one."""
    centre = around.center()
    return QRectF(centre.x() - width / 2, centre.y() - height / 2, width, height)
