"""Plots in the colours of napari's theme. Slow to import: a job imports it before the first plot is needed.

pyqtgraph's ``PlotWidget`` makes menus and forms for every plot: 100 to 200 ms of the GUI thread. These plots
have its axes without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import pyqtgraph
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QColor, QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_construct.widgets.fields.controls import named, wrapped_label

LINE_COLOURS: Final = ("#E69F00", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#0072B2", "#999999")
"""Okabe and Ito's, without the yellow that a light theme swallows."""

_HEIGHT: Final = 110
_MOST_POINTS: Final = 1000
_FEW: Final = 30
"""Up to so many points are marked."""

_RESTYLED: Final = (QEvent.Type.StyleChange, QEvent.Type.PaletteChange)


def ink(widget: QWidget) -> QColor:
    """The text colour of the current theme."""
    widget.ensurePolished()
    return widget.palette().windowText().color()


def thinned(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """At most ``_MOST_POINTS`` points: means of equally many neighbours."""
    size = -(-len(x) // _MOST_POINTS)
    if size <= 1:
        return list(x), list(y)
    parts = range(0, len(x), size)
    return [_mean(x[i : i + size]) for i in parts], [_mean(y[i : i + size]) for i in parts]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


class Axes(pyqtgraph.GraphicsView):
    """A box with an axis at the left and one below."""

    def __init__(self, name: str, tip: str, height: int, parent: QWidget | None = None) -> None:
        super().__init__(parent, background=None)
        self.box = pyqtgraph.ViewBox(enableMenu=False, enableMouse=False)
        self.axes = {side: pyqtgraph.AxisItem(side, linkView=self.box) for side in ("left", "bottom")}
        layout = pyqtgraph.GraphicsLayout()
        layout.addItem(self.axes["left"], 0, 0)
        layout.addItem(self.box, 0, 1)
        layout.addItem(self.axes["bottom"], 1, 1)
        layout.setContentsMargins(0, 4, 4, 0)
        layout.setSpacing(0)
        self.setCentralItem(layout)
        self.setFixedHeight(height)
        named(self, name, tip)
        for axis in self.axes.values():
            axis.enableAutoSIPrefix(False)

    def setInk(self, colour: QColor) -> None:
        """Draw axes and their numbers in a colour."""
        for axis in self.axes.values():
            axis.setPen(colour)
            axis.setTextPen(colour)


class CurvePlot(QWidget):
    """Lines over steps or epochs; the legend below names each with its last value."""

    def __init__(self, title: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: dict[str, Any] = {}
        self._title = wrapped_label(title, tip, self, title)
        self._axes = Axes(title, tip, _HEIGHT, self)
        self._legend = wrapped_label(f"{title}, last values", tip, self)
        self._legend.setTextFormat(Qt.TextFormat.RichText)  # squares in the colours of the lines
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for part in (self._title, self._axes, self._legend):
            layout.addWidget(part)

    def showLines(self, lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> None:
        """Replace what is drawn: x and y of each line by its name."""
        for name in [name for name in self._lines if name not in lines]:
            self._axes.box.removeItem(self._lines.pop(name))
        words = []
        for i, (name, (x, y)) in enumerate(lines.items()):
            colour = LINE_COLOURS[i % len(LINE_COLOURS)]
            if name not in self._lines:
                self._lines[name] = pyqtgraph.PlotDataItem(pen=pyqtgraph.mkPen(colour, width=2))
                self._axes.box.addItem(self._lines[name])
            marks = {"symbol": "o", "symbolSize": 5, "symbolBrush": colour, "symbolPen": None}
            self._lines[name].setData(*thinned(x, y), **(marks if len(x) < _FEW else {"symbol": None}))
            if y:
                words.append(
                    f'<span style="color: {colour}">\u25a0</span>&nbsp;{escape(name)}&nbsp;{y[-1]:.3g}'
                )
        self._legend.setText(" &nbsp; ".join(words))
        values = [value for _, y in lines.values() for value in y if value == value]  # noqa: PLR0124 - nan
        if values:
            low, high = min(0.0, *values), max(values)
            self._axes.box.setYRange(low, high if high > low else low + 1, padding=0.05)

    def lines(self) -> dict[str, tuple[list[float], list[float]]]:
        """The drawn lines by name."""
        found = {}
        for name, line in self._lines.items():
            x, y = line.getData()
            found[name] = ([], []) if x is None else (x.tolist(), y.tolist())
        return found

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._axes.setInk(ink(self._legend))

    def changeEvent(self, event: QEvent) -> None:
        """A change of theme arrives as a change of style."""
        super().changeEvent(event)
        if event.type() in _RESTYLED and self.isVisible():
            self._axes.setInk(ink(self._legend))
