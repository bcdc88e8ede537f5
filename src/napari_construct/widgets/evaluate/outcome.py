"""The result of an evaluation: scores, confusion matrix and images; saved on request."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.metrics.class_order import order_notice
from napari_construct.widgets.evaluate.save_scores import SaveScores
from napari_construct.widgets.evaluate.score_table import ScoreTable
from napari_construct.widgets.evaluate.scores import COLUMNS, HEADS, Scored
from napari_construct.widgets.fields.controls import named
from napari_construct.widgets.fields.fields import ChoiceField
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.parts.order_row import OrderRow


class EvaluateOutcome(QWidget):
    """Shows a :class:`~napari_construct.widgets.evaluate.scores.Scored`; hidden until there is one."""

    opened = Signal(str)
    """The name of a double-clicked image."""
    said = Signal(str)
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scored: Scored | None = None
        self._plot: Any = None
        tip = "Scores with predicted class presence, or with the classes of the mask"
        self._column = named(ChoiceField(COLUMNS, parent=self), "Class presence of the scores", tip)
        self._column.edited.connect(self._show_column)
        tip = "Scores in percent. The mean ignores undefined scores (-)"
        self.table = ScoreTable("Scores", tip, HEADS, self)
        tip = "Double-click an image to open it with ground truth, prediction and errors"
        self.images = ScoreTable("Images", tip, ("image", "IoU of its classes"), self)
        self.images.cellDoubleClicked.connect(self._on_double_click)
        tip = "Move the counts to the classes of this order. The model does not run again"
        self.order = OrderRow("Use this order", tip, self)
        self.order.used.connect(self._use_order)
        self.order.kept.connect(self._keep_order)
        self._save = SaveScores(self)
        self._save.said.connect(self.said)
        self._save.failed.connect(self.failed)
        self._layout = stacked(self, self.order, self._column, self.table, self.images, self._save)
        self.hide()

    def scored(self) -> Scored | None:
        return self._scored

    def showScored(self, scored: Scored) -> None:
        """Show scores; the job has imported the plot library."""
        from napari_construct.widgets.evaluate.confusion_plot import ConfusionPlot

        self._scored = scored
        self._save.setScores(scored)
        if self._plot is None:
            self._plot = ConfusionPlot(self)
            self._layout.insertWidget(3, self._plot)
        self._column.setVisible("oracle" in scored.matrices)
        images = [] if scored.content is None else scored.content["images"]
        self.images.showRows([(i["image"], _percent(i["iou_of_present"])) for i in images])
        self.images.setVisible(bool(images))
        self._propose_order(scored)
        self._show_column()
        self.show()

    def clear(self) -> None:
        """Show no scores."""
        self._scored = None
        self._save.setScores(None)
        self.hide()

    def setColumn(self, column: str) -> None:
        """Show the scores of "predicted" or "oracle" class presence."""
        self._column.put(column)

    def save(self, path: str) -> None:
        """Save the scores in the format of the suffix."""
        self._save.save(path)

    def _show_column(self) -> None:
        if self._scored is None:
            return
        column = str(self._column.get()) if "oracle" in self._scored.matrices else "predicted"
        self.table.showRows(self._scored.rows(column))
        self._plot.showMatrix(self._scored.matrices[column], self._scored.names)

    def _propose_order(self, scored: Scored) -> None:
        """Propose another order of the classes in the ground truth, if it fits much better."""
        found = None if "mask_order" in scored.about else scored.better_order
        said = "" if found is None else order_notice(found, scored.names, scored.first_class)
        self.order.propose(f"{said[:1].upper()}{said[1:]}." if said else "")

    def _use_order(self) -> None:
        found = None if self._scored is None else self._scored.better_order
        if self._scored is None or found is None:
            return
        self.showScored(self._scored.in_order(found.order))
        self.order.say(f"Scored with the masks read as {self._scored.about['mask_order']}.")

    def _keep_order(self) -> None:
        self.order.propose("")

    def _on_double_click(self, row: int, _: int) -> None:
        self.opened.emit(self.images.item(row, 0).text())


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
