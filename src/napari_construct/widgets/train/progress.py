"""Progress of a training run: curves, and CAMs of a few images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_construct.events import EpochDone, Event, Resumed, StepDone
from napari_construct.widgets.fields.controls import button, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.train.preview_grid import PreviewGrid
from napari_construct.widgets.train.previews import PreviewsDone

_PAUSE_MS: Final = 400
"""Milliseconds between two drawings of the curves."""

_TURN_MS: Final = 20
"""Milliseconds between two plots; each takes tens of milliseconds to make and to draw."""

_SCORES: Final = {
    "val_miou": "mIoU",
    "val_miou_oracle": "mIoU, classes given",
    "val_f1": "F1 of class presence",
}
_Line = tuple[list[float], list[float]]

_PLOTS: Final = {
    "losses": ("Losses by step", "The parts of the loss without weights, and their weighted sum (all)"),
    "scores": ("Validation by epoch", "Scores on the validation data (0 to 1)"),
    "rate": ("Learning rate by step", "The learning rate of each step"),
}


class TrainProgress(QWidget):
    """Shows the events of a run; hidden until the first one.

    Plots are made with the first numbers: by then the job has imported the plot library.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plots: dict[str, Any] = {}
        # by x, as events may overtake each other: napari's activity dock processes events
        self._points: dict[str, dict[str, dict[float, float]]] = {key: {} for key in _PLOTS}
        self._changed: set[str] = set()
        self._waiting: list[str] = []
        self._epoch = wrapped_label("Epoch", "The epoch at hand, of all of this run", self)
        self._grid = PreviewGrid(self)
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
        self._points = {key: {} for key in _PLOTS}
        self._changed = set(_PLOTS)
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
            self._grid.showPreviews(event.previews, f"After epoch {event.epoch}")
            self.show()
        else:
            return
        if not self._timer.isActive():
            self._timer.start()

    def lines(self, plot: str) -> dict[str, _Line]:
        """The numbers of a plot: "losses", "scores" or "rate"."""
        found = {name: sorted(points.items()) for name, points in self._points[plot].items()}
        return {name: ([x for x, _ in line], [y for _, y in line]) for name, line in found.items()}

    @property
    def previews(self) -> PreviewGrid:
        """The pictures."""
        return self._grid

    def _on_step(self, event: StepDone) -> None:
        for name, value in event.losses.items():
            self._append("losses", "all" if name == "loss" else name, float(event.done), value)
        self._append("rate", "learning rate", float(event.done), event.learning_rate)
        self._epoch.setText(f"Epoch {event.epoch + 1} of {event.epochs}")

    def _on_resumed(self, event: Resumed) -> None:
        """Show the epochs of an earlier session: their mean losses, if their steps are not shown yet."""
        for epoch, (step, rate, metrics) in enumerate(
            zip(event.steps, event.learning_rates, event.history, strict=True), start=1
        ):
            losses = {name: value for name, value in metrics.items() if not name.startswith("val_")}
            for plot, numbers in (("losses", losses), ("rate", {"learning rate": rate})):
                for name, value in numbers.items():
                    line = "all" if name == "loss" else name
                    if step not in self._points[plot].get(line, {}):
                        self._append(plot, line, float(step), value)
            self._show_scores(epoch, metrics)

    def _show_scores(self, epoch: int, metrics: Mapping[str, float]) -> None:
        for key, words in _SCORES.items():
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

        self._plots[key] = plot = CurvePlot(*_PLOTS[key], self)
        order = [name for name in _PLOTS if name in self._plots]
        self._layout.insertWidget(1 + order.index(key), plot)


class EstimateRow(QWidget):
    """A button that requests an estimate, and the estimate until a setting changes."""

    requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = "Run a few training steps and estimate time and memory. Nothing is saved"
        self.button = button("Estimate time and memory", tip, self.requested, self)
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
