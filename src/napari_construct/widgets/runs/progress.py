"""Progress of a training run: curves, and pictures of a few images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_construct.events import EpochDone, Event, Resumed, StepDone
from napari_construct.widgets.fields.controls import button, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.runs.pictures import PreviewsDone
from napari_construct.widgets.runs.preview_grid import PreviewGrid

_PAUSE_MS: Final = 400
"""Milliseconds between two drawings of the curves."""

_TURN_MS: Final = 20
"""Milliseconds between two plots; each takes tens of milliseconds to make and to draw."""

_Line = tuple[list[float], list[float]]


@dataclass(frozen=True, slots=True)
class Curves:
    """What is drawn of a run.

    Attributes
    ----------
    plots : mapping
        Title and tooltip by key, in their order. "scores" and "rate" are among the keys.
    scores : mapping
        Names for people of the metrics that are drawn as "scores".
    place : callable
        From the name of a loss to its plot and its line there; None of metrics that are no losses.
    pictures : tuple of str
        Tooltip of the pictures, and what the two of a pair are called.
    turn : str
        What a run is divided into.
    columns : int
        Pairs of pictures in a row.
    """

    plots: Mapping[str, tuple[str, str]]
    scores: Mapping[str, str]
    place: Callable[[str], tuple[str, str] | None]
    pictures: tuple[str, str, str]
    turn: str = "epoch"
    columns: int = 2


class RunProgress(QWidget):
    """Shows the events of a run; hidden until the first one.

    Plots are made with the first numbers: by then the job has imported the plot library.

    Parameters
    ----------
    curves : Curves
        What is drawn.
    """

    def __init__(self, curves: Curves, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curves = curves
        self._plots: dict[str, Any] = {}
        # by x, as events may overtake each other: napari's activity dock processes events
        self._points: dict[str, dict[str, dict[float, float]]] = {key: {} for key in self._curves.plots}
        self._changed: set[str] = set()
        self._waiting: list[str] = []
        turn, (tip, *words) = curves.turn, curves.pictures
        self._epoch = wrapped_label(turn.capitalize(), f"The {turn} at hand, of all of this run", self)
        self._grid = PreviewGrid(tip, (words[0], words[1]), curves.columns, self)
        self._layout = stacked(self, self._epoch, self._grid)
        self._timer, self._next = QTimer(self), QTimer(self)
        for timer, pause, slot in ((self._timer, _PAUSE_MS, self._begin), (self._next, _TURN_MS, self._draw)):
            timer.setSingleShot(True)
            timer.setInterval(pause)
            timer.timeout.connect(slot)
        self.hide()

    def start(self, *, keep: bool) -> None:
        """A run begins; ``keep`` the curves of a resumed run."""
        if not keep:
            self.clear()

    def clear(self) -> None:
        """Show nothing until the next numbers."""
        self._points = {key: {} for key in self._curves.plots}
        self._changed = set(self._curves.plots)
        self._grid.clear()
        self._epoch.clear()
        self._begin()
        self.hide()

    def showProgress(self, event: Event) -> None:
        """Show an event of the run."""
        if isinstance(event, StepDone):
            self._on_step(event)
        elif isinstance(event, EpochDone):
            self._show_scores(event.epoch + 1, event.metrics)
        elif isinstance(event, Resumed):
            self._on_resumed(event)
        elif isinstance(event, PreviewsDone):
            self._grid.showPreviews(event.previews, f"After {self._curves.turn} {event.epoch}")
            self.show()
        else:
            return
        if not self._timer.isActive():
            self._timer.start()

    def lines(self, plot: str) -> dict[str, _Line]:
        """The numbers of a plot."""
        found = {name: sorted(points.items()) for name, points in self._points[plot].items()}
        return {name: ([x for x, _ in line], [y for _, y in line]) for name, line in found.items()}

    @property
    def previews(self) -> PreviewGrid:
        """The pictures."""
        return self._grid

    def _on_step(self, event: StepDone) -> None:
        for name, value in event.losses.items():
            if (place := self._curves.place(name)) is not None:
                self._append(*place, float(event.done), value)
        self._append("rate", "learning rate", float(event.done), event.learning_rate)
        self._epoch.setText(f"{self._curves.turn.capitalize()} {event.epoch + 1} of {event.epochs}")

    def _on_resumed(self, event: Resumed) -> None:
        """Show the epochs of an earlier session: their mean losses, if their steps are not shown yet."""
        for epoch, (step, rate, metrics) in enumerate(
            zip(event.steps, event.learning_rates, event.history, strict=True), start=1
        ):
            means = {place: value for name, value in metrics.items() if (place := self._curves.place(name))}
            for (plot, line), value in {**means, ("rate", "learning rate"): rate}.items():
                if step not in self._points[plot].get(line, {}):
                    self._append(plot, line, float(step), value)
            self._show_scores(epoch, metrics)

    def _show_scores(self, epoch: int, metrics: Mapping[str, float]) -> None:
        for key, words in self._curves.scores.items():
            value = metrics.get(key)
            if value is not None:
                self._append("scores", words, float(epoch), value)

    def _append(self, plot: str, name: str, x: float, y: float) -> None:
        self._points[plot].setdefault(name, {})[x] = y
        self._changed.add(plot)

    def _begin(self) -> None:
        """Update every plot with new numbers."""
        self._waiting = sorted({*self._waiting, *self._changed})
        self._changed.clear()
        self._draw()

    def _draw(self) -> None:
        """Make or draw one plot; the others follow in later turns of the event loop."""
        if not self._waiting:
            return
        key = self._waiting[0]
        if self._points[key] and key not in self._plots:
            self._make(key)
        else:
            self._waiting.pop(0)
            if key in self._plots:
                self._plots[key].showLines(self.lines(key))
                self._plots[key].setVisible(bool(self._points[key]))
                self.setVisible(any(self._points.values()))
        if self._waiting:
            self._next.start()

    def _make(self, key: str) -> None:
        from napari_construct.widgets.parts.plots import CurvePlot

        self._plots[key] = plot = CurvePlot(*self._curves.plots[key], self)
        order = [name for name in self._curves.plots if name in self._plots]
        self._layout.insertWidget(1 + order.index(key), plot)


class EstimateRow(QWidget):
    """A button that requests an estimate, and the estimate until a setting changes.

    Parameters
    ----------
    of : str
        What is estimated.
    """

    requested = Signal()

    def __init__(self, of: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = f"Run a few training steps and estimate {of}. Nothing is saved"
        self.button = button(f"Estimate {of}", tip, self.requested, self)
        tip = "Measured with these settings on this computer"
        self._label = wrapped_label("Estimate", tip, self)
        self._label.hide()
        stacked(self, self.button, self._label)

    def text(self) -> str:
        """The shown estimate."""
        return self._label.text()

    def showEstimate(self, text: str) -> None:
        """Show an estimate; an empty text hides it."""
        self._label.setText(text)
        self._label.setVisible(bool(text))
