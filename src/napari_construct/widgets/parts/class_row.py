"""A class of an image: its tick, name and area, whether it was found, and how present it is."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QProgressBar, QWidget

from napari_construct.classes import TissueClass
from napari_construct.widgets.fields.controls import named, plain_tip, tick, wrapped_label
from napari_construct.widgets.fields.layout import swatch
from napari_construct.widgets.fields.message_label import breakable
from napari_construct.widgets.layers import ClassOutcome, PlaneOutcome, area_in_words

_STEPS: Final = 1000


class ClassRow:
    """A class in two or three lines: tick, colour, name and area; presence; why it has no area."""

    def __init__(self, tissue: TissueClass, *, known: bool, parent: QWidget) -> None:
        name = self._class = tissue.name
        self._head = QWidget(parent)
        self.box = tick(name, tissue.prompt or f"Tick it if {name} is present in the image", self._head)
        self.box.setText("")  # the name beside it wraps
        shown = name if known else f"{name} (not in this model)"
        self.name = _Name(shown, tissue.prompt or f"Class {name}", self.box, self._head)
        line = QHBoxLayout(self._head)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.box)
        colour = QLabel(self._head)
        colour.setPixmap(swatch(tissue.colour, 10).pixmap(10, 10))
        line.addWidget(colour)
        line.addWidget(self.name, 1)
        self.area = self._number(f"Area of {name}", f"Area of {name}, and its percent of the tissue", parent)
        self.score = self._number(f"Whether {name} was found", "", parent)
        self.bar = named(PresenceBar(tissue.colour, parent), f"Presence of {name}", "")
        self.why = wrapped_label(f"Why {name} has no area", "Why no pixel of the class is left", parent)
        self._outcome: tuple[QWidget, ...] = (self.area, self.bar, self.score, self.why)
        self.clear_outcome()

    @staticmethod
    def _number(name: str, tip: str, parent: QWidget) -> QLabel:
        label = named(QLabel(parent), name, tip)
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return label

    def place(self, grid: QGridLayout, row: int) -> None:
        """Put it into a grid of two columns, from this row on; it takes three rows."""
        grid.addWidget(self._head, row, 0)
        grid.addWidget(self.score, row, 1)  # the shorter of both, beside a name that may be long
        grid.addWidget(self.bar, row + 1, 0)
        grid.addWidget(self.area, row + 1, 1)
        grid.addWidget(self.why, row + 2, 0, 1, 2)

    def set_editable(self, editable: bool) -> None:
        self.box.setVisible(editable)

    def show_outcome(self, found: ClassOutcome, plane: PlaneOutcome, *, given: bool) -> None:
        """Say whether the class was found, how present it is, and how large its area is."""
        if given:
            said = "given" if found.present else "left out"
        else:
            said = "found" if found.present else "not found"
        self.score.setText(said)
        self.area.setText(area_in_words(found.pixels, plane.tissue, plane.mpp) if found.pixels else "no area")
        self.area.setVisible(found.present or bool(found.pixels))
        self.bar.showPresence(found.score, found.threshold)
        tip = _presence_in_words(found, given=given)
        for part in (self.bar, self.score):
            part.setToolTip(plain_tip(tip))
            part.setAccessibleDescription(tip)
        self.why.setText(f"{said}, no area: {found.lost}" if found.lost else "")
        self.why.setVisible(bool(found.lost))
        self.bar.show()
        self.score.show()

    def clear_outcome(self) -> None:
        for part in self._outcome:
            part.setVisible(False)

    def discard(self) -> None:
        for part in (self._head, *self._outcome):
            part.setParent(None)  # leaves the layout now, not with the next event
            part.deleteLater()


class PresenceBar(QProgressBar):
    """The probability that a class is present, with a mark where it counts as found."""

    def __init__(self, colour: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._threshold: float | None = None
        self.setRange(0, _STEPS)
        self.setTextVisible(False)
        self.setFixedHeight(10)
        self.setStyleSheet(
            "QProgressBar { margin-top: 1px; margin-bottom: 1px; }"
            f" QProgressBar::chunk {{ background-color: {colour}; }}"
        )

    def threshold(self) -> float | None:
        """Where the mark is, 0 to 1; None without one."""
        return self._threshold

    def showPresence(self, score: float, threshold: float | None) -> None:
        """Show a probability; a threshold of 0, which everything reaches, has no mark."""
        self.setValue(round(score * _STEPS))
        self._threshold = threshold or None
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._threshold is not None:
            painter = QPainter(self)
            x = min(self._threshold * self.width(), self.width() - 2.0)
            mark = QRectF(x - 1, 0, 3, self.height())
            painter.fillRect(mark.adjusted(-1, 0, 1, 0), self.palette().window())  # stands out on any colour
            painter.fillRect(mark, self.palette().windowText())
            painter.end()


class _Name(QLabel):
    """The name of a class, which wraps; a click on it is one on its tick."""

    def __init__(self, text: str, tip: str, box: QWidget, parent: QWidget) -> None:
        super().__init__(parent)
        self._box = box
        named(self, f"Class {text}", tip)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(breakable(text))
        self.setWordWrap(True)
        self.setMinimumWidth(40)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._box.isVisible():
            self._box.click()
        super().mouseReleaseEvent(event)


def _presence_in_words(found: ClassOutcome, *, given: bool) -> str:
    presence = f"Presence {100 * found.score:.3g} %: the probability that the image contains {found.name}."
    if given:
        return f"{presence} You chose the classes"
    if found.threshold is None:
        return presence
    limit = f"Found where presence is at least {100 * found.threshold:.3g} %, the mark on the bar."
    if found.present and found.score < found.threshold:
        return f"{presence} {limit} As no class reached its mark, the nearest one counts as found"
    return f"{presence} {limit}".rstrip(".")
