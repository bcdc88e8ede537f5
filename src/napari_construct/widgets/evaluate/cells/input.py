"""What an evaluation of a student takes beside its images: what counts as a cell, a teacher, a baseline."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.widgets.evaluate.settings import CellEvaluation
from napari_construct.widgets.fields.controls import named
from napari_construct.widgets.fields.fields import ChoiceField
from napari_construct.widgets.fields.layout import boxed, form, stacked
from napari_construct.widgets.fields.path_row import PathRow
from napari_construct.widgets.parts.cell_options import CellOptions

_LABELS: Final = {"whole_cell": "whole cells", "nuclear": "nuclei"}
_MODELS: Final = f"Models (*{SUFFIX})"


class CellInput(QWidget):
    """Edits a :class:`~napari_construct.widgets.evaluate.settings.CellEvaluation`."""

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.options = CellOptions(self, channel=True)
        tip = (
            "What the student learned from, to be scored beside it: a folder of outputs, or a model's file. "
            "The scores then say how much of its Dice the student recovers"
        )
        self.teacher = PathRow("Teacher", tip, ("folder", "file"), kinds=_MODELS, parent=self)
        self.teacher.setHint("none")
        tip = "A student that was trained without a teacher, to be scored beside this one"
        self.baseline = PathRow("Baseline", tip, ("file",), kinds=_MODELS, parent=self)
        self.baseline.setHint("none")
        tip = "Which labels of a TissueNet file (.npz) are the truth. Other images have one kind"
        self.labels = named(ChoiceField(_LABELS, parent=self), "Cells of TissueNet", tip)
        self._rows = form()
        for words, field in (
            ("Teacher", self.teacher), ("Baseline", self.baseline), ("TissueNet", self.labels)
        ):  # fmt: skip
            self._rows.addRow(words, field)
        self.showLabels(shown=False)
        stacked(self, self._rows, boxed("Cells", self.options))
        for edited in (self.teacher.edited, self.baseline.edited, self.labels.edited):
            edited.connect(self.valueChanged)
        self.options.valueChanged.connect(self.valueChanged)

    def value(self, shared: SegmentSettings | None = None) -> CellEvaluation:
        """The choice, with pixel size and tiles of the other form where they are shared.

        Raises
        ------
        ConfigurationError
            If options contradict each other.
        """
        return CellEvaluation.checked(
            cells=self.options.value() if shared is None else self.options.joined(shared),
            labels=self.labels.get(),
            teacher=self.teacher.value(),
            baseline=self.baseline.value(),
        )

    def setValue(self, value: CellEvaluation) -> None:
        """Show a choice."""
        self.options.setValue(value.cells)
        self.labels.put(value.labels)
        self.teacher.setValue(value.teacher)
        self.baseline.setValue(value.baseline)

    def showLabels(self, *, shown: bool) -> None:
        """Ask which labels are the truth, where a file has several."""
        self._rows.setRowVisible(self.labels, shown)

    def problem(self) -> str:
        """Why the options cannot be run; empty if they can."""
        return self.options.problem()
