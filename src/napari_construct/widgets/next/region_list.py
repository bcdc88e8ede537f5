"""The queue as a list: picture, gain, guess and state; and the buttons that go through it."""

from __future__ import annotations

from typing import Final

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QKeySequence, QPixmap
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QPushButton, QShortcut, QWidget
from superqt import QFlowLayout

from napari_construct.labelling.queue.queue import RegionQueue
from napari_construct.labelling.queue.regions import Region
from napari_construct.types import RGBImage
from napari_construct.widgets.fields.controls import button, named, plain_tip, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.next.job import PICTURE, Ranked

_SHOWN: Final = 48
_ROWS: Final = 4
_SIGNS: Final = {"waiting": "", "accepted": "accepted", "corrected": "corrected", "skipped": "skipped"}
_KEYS: Final = {"next": "Alt+N", "accept": "Alt+A", "correct": "Alt+C", "skip": "Alt+S"}


class RegionList(QWidget):
    """Shows a queue. A double click, or a button, goes to a region."""

    chosen = Signal(int)
    nextRequested = Signal()
    acceptRequested = Signal()
    correctRequested = Signal()
    skipRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._list = named(QListWidget(self), "Regions", "Double-click a region to go there")
        self._list.setIconSize(QSize(_SHOWN, _SHOWN))
        self._list.setUniformItemSizes(True)
        self._list.setMinimumHeight(_ROWS * (_SHOWN + 8))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.itemDoubleClicked.connect(self._on_item)
        self._list.itemActivated.connect(self._on_item)
        self._said = wrapped_label("Progress", "Regions that were looked at", self)
        self._buttons: dict[str, QPushButton] = {}
        row = QWidget(self)
        flow = QFlowLayout(row)
        flow.setContentsMargins(0, 0, 0, 0)
        for key, words, tip, signal in (
            ("next", "Next", "Go to the next waiting region", self.nextRequested),
            ("accept", "Accept", "The mask is right there: keep it as painted labels", self.acceptRequested),
            (
                "correct",
                "Correct",
                "Paint there; Next keeps what you painted",
                self.correctRequested,
            ),
            ("skip", "Skip", "Pass over the region, and go on", self.skipRequested),
        ):
            made = button(words, f"{tip} ({_KEYS[key]})", signal, row)
            self._buttons[key] = made
            flow.addWidget(made)
            shortcut = QShortcut(QKeySequence(_KEYS[key]), self)
            shortcut.activated.connect(made.click)
        stacked(self, self._list, self._said, row)
        self.setQueue(None)

    def setQueue(self, ranked: Ranked | None) -> None:
        """Show a queue with its pictures; None shows nothing."""
        self._list.clear()
        for number, one in enumerate(() if ranked is None else ranked.queue):
            item = QListWidgetItem()
            picture = None if ranked is None else ranked.pictures[number]
            if picture is not None:
                item.setIcon(_icon(picture))
            self._list.addItem(item)
            self._write(item, number, one)
        self.showStates(None if ranked is None else ranked.queue)

    def showStates(self, queue: RegionQueue | None) -> None:
        """Show what was said of the regions."""
        for number, one in enumerate(queue or ()):
            self._write(self._list.item(number), number, one)
        total = 0 if queue is None else len(queue)
        done = 0 if queue is None else total - queue.counts()["waiting"]
        self._said.setText(f"{done} of {total} looked at. Keys: Alt with N, A, C, S" if total else "")
        self._list.setVisible(bool(total))
        self._said.setVisible(bool(total))

    def setCurrent(self, number: int | None) -> None:
        """Mark the region on view."""
        self._list.setCurrentRow(-1 if number is None else number)

    def setEnabledActions(self, *, some: bool, on_view: bool) -> None:
        """Enable what can be done: with ``some`` regions, and one of them ``on_view``."""
        self._buttons["next"].setEnabled(some)
        for key in ("accept", "correct", "skip"):
            self._buttons[key].setEnabled(some and on_view)

    def _write(self, item: QListWidgetItem, number: int, one: Region) -> None:
        state = f"   {_SIGNS[one.state]}" if _SIGNS[one.state] else ""
        item.setText(f"{number + 1}   {one.guess or '-'}{state}\ngain {one.gain:.2f}")
        parts = f"doubt {one.doubt:.2f}, diversity {one.diversity:.2f}, tissue {one.tissue:.0%}"
        tip = f"Row {one.row}, column {one.column}: {parts}"
        item.setToolTip(plain_tip(tip))
        font = item.font()
        font.setItalic(one.state != "waiting")
        item.setFont(font)

    def _on_item(self, item: QListWidgetItem) -> None:
        self.chosen.emit(self._list.row(item))


def _icon(pixels: RGBImage) -> QIcon:
    data = np.ascontiguousarray(pixels)
    image = QImage(data.data, PICTURE, PICTURE, 3 * PICTURE, QImage.Format.Format_RGB888)
    return QIcon(QPixmap.fromImage(image.copy()))
