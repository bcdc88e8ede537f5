"""The classes of an image: found by the model, all of them, or selected; presence and area after a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QGridLayout, QLabel, QProgressBar, QRadioButton, QWidget

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.results.result import SegmentationResult
from napari_construct.widgets.fields.controls import named, tick
from napari_construct.widgets.fields.layout import fold, stacked, swatch

_UNKNOWN_COLOUR = "#999999"


class ClassList(QWidget):
    """Edits ``SegmentSettings.classes``: None while the model decides, else all names or the ticked ones.

    A ticked name that the model does not know keeps its row, and :meth:`problem` names it.
    """

    valueChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table: ClassTable | None = None
        self._rows: dict[str, _Row] = {}
        self._given: tuple[str, ...] = ()
        self._predicted, self._all, self._chosen = self._build_modes()
        self._grid = QGridLayout()
        self._grid.setColumnStretch(0, 1)
        self._grid.setVerticalSpacing(2)
        modes = QWidget(self)
        stacked(modes, self._predicted, self._all, self._chosen)
        tip = "Whether the model finds the classes of an image, or you name them"
        self._modes = fold("Which classes count", tip, modes, self)
        stacked(self, self._grid, self._modes)

    def value(self) -> tuple[str, ...] | None:
        """Names of the classes taken as present, or None where the model decides."""
        if self._predicted.isChecked():
            return None
        ticked = self._every() if self._all.isChecked() else self._ticked()
        # order has no meaning; what was set comes back as it was set
        return self._given if sorted(self._given) == sorted(ticked) else ticked

    def setValue(self, value: Sequence[str] | None) -> None:
        """Let the model decide (None) or tick these names; all of them stay all where that is chosen."""
        before = self.value()
        blocked = self.blockSignals(True)
        if value is None:
            self._predicted.setChecked(True)
        elif not (self._all.isChecked() and sorted(value) == sorted(self._every())):
            self._chosen.setChecked(True)
        self._given = tuple(dict.fromkeys(value)) if value is not None else ()
        if value is not None:
            self._rebuild(self._given)
        elif self._unknown():
            self._rebuild([name for name in self._ticked() if name not in self._unknown()])
        self._enable_boxes()
        self.blockSignals(blocked)
        if self.value() != before:
            self.valueChanged.emit(self.value())

    def setTable(self, table: ClassTable | None) -> None:
        """Show the classes of a model; ticks are kept by name."""
        if table == self._table:
            return
        before = self.value()
        self._table = table
        self._rebuild(self._ticked())
        self._enable_boxes()
        if self.value() != before:
            self.valueChanged.emit(self.value())

    def problem(self) -> str:
        """Why the choice cannot be run, or nothing."""
        value = self.value()
        if value is None:
            return ""
        if not value:
            return "Tick at least one class, or let the model find the classes."
        unknown = self._unknown()
        if unknown and self._chosen.isChecked():
            return f"This model has no class {', '.join(unknown)}; untick it or choose another model."
        return ""

    def showOutcome(self, result: SegmentationResult) -> None:
        """Fill presence bars and areas from a result."""
        given = "" if self.value() is None else "given" if self._all.isChecked() else "ticked"
        for row, area, present, score in zip(
            result.classes, result.areas(), result.presence, result.presence_scores, strict=True
        ):
            if row.name in self._rows:
                self._rows[row.name].show_outcome(area, present, score, given)

    def clearOutcome(self) -> None:
        for row in self._rows.values():
            row.clear_outcome()

    def _build_modes(self) -> tuple[QRadioButton, QRadioButton, QRadioButton]:
        group = QButtonGroup(self)
        predicted, every, chosen = (
            named(QRadioButton(text, self), f"Classes: {text.lower()}", tip)
            for text, tip in (
                ("Found by the model", "The model predicts which classes are present in the image"),
                ("All classes of the model", "All classes of the model count as present"),
                ("Only selected classes", "You select the classes. Every pixel gets one of them"),
            )
        )
        for button in (predicted, every, chosen):
            group.addButton(button)
        predicted.setChecked(True)
        group.buttonToggled.connect(self._on_mode)
        return predicted, every, chosen

    def _every(self) -> tuple[str, ...]:
        return () if self._table is None else self._table.names

    def _ticked(self) -> tuple[str, ...]:
        return tuple(name for name, row in self._rows.items() if row.box.isChecked())

    def _unknown(self) -> list[str]:
        """Ticked names that the model does not know; none while there is no model."""
        known = self._table.names if self._table is not None else self._ticked()
        return [name for name in self._ticked() if name not in known]

    def _rebuild(self, ticked: Sequence[str]) -> None:
        for row in self._rows.values():
            row.discard()
        known = {tissue.name: tissue for tissue in self._table} if self._table is not None else {}
        extra = {name: TissueClass(name=name, colour=_UNKNOWN_COLOUR) for name in ticked if name not in known}
        self._rows = {}
        for i, tissue in enumerate([*known.values(), *extra.values()]):
            row = _Row(tissue, known=tissue.name in known or self._table is None, parent=self)
            row.box.setChecked(tissue.name in ticked)
            row.box.toggled.connect(self._on_ticked)
            row.place(self._grid, 2 * i)
            self._rows[tissue.name] = row

    def _enable_boxes(self) -> None:
        for row in self._rows.values():
            row.set_editable(self._chosen.isChecked())
        if not self._predicted.isChecked():  # what is not usual is not hidden
            self._modes.expand(animate=False)

    def _on_mode(self, _: object, checked: bool) -> None:
        if checked:  # the signal also comes for the mode that is left
            self._enable_boxes()
            self._on_ticked()

    def _on_ticked(self, *_: object) -> None:
        self.valueChanged.emit(self.value())


class _Row:
    """A class in two lines: tick, colour, name and area; presence bar and its number."""

    def __init__(self, tissue: TissueClass, *, known: bool, parent: QWidget) -> None:
        name = tissue.name
        self.box = tick(
            name if known else f"{name} (not in this model)",
            tissue.prompt or f"Tick it if {name} is present in the image",
            parent,
        )
        self.box.setIcon(swatch(tissue.colour))
        # in a mode without ticks a disabled box would be hard to read
        self.name = named(
            QLabel(f'<span style="color: {tissue.colour}">\u25a0</span> {escape(name)}', parent),
            f"Class {name}",
            tissue.prompt or f"Class {name}",
        )
        self.area = self._number(f"Area of {name}", f"Area of {name}, and its percent of the tissue", parent)
        presence = f"Class presence: probability that the image contains {name}"
        self.score = self._number(f"Presence of {name} in percent", presence, parent)
        self.bar = named(QProgressBar(parent), f"Presence of {name}", presence)
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.bar.setStyleSheet(f"QProgressBar::chunk {{ background-color: {tissue.colour}; }}")
        self._parts: tuple[QWidget, ...] = (self.box, self.name, self.area, self.bar, self.score)
        self.clear_outcome()

    @staticmethod
    def _number(name: str, tip: str, parent: QWidget) -> QLabel:
        label = named(QLabel(parent), name, tip)
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return label

    def place(self, grid: QGridLayout, row: int) -> None:
        grid.addWidget(self.box, row, 0)
        grid.addWidget(self.name, row, 0)
        grid.addWidget(self.area, row, 1)
        grid.addWidget(self.bar, row + 1, 0)
        grid.addWidget(self.score, row + 1, 1)

    def set_editable(self, editable: bool) -> None:
        self.box.setVisible(editable)
        self.name.setVisible(not editable)

    def show_outcome(self, area: Mapping[str, Any], present: bool, score: float, given: str) -> None:
        self.area.setText(area_in_words(area))
        self.bar.setValue(round(score * 1000))
        said = (given or "found") if present else "not found"
        self.score.setText(f"{said}, {100 * score:.0f} %")
        for part in (self.area, self.bar, self.score):
            part.setVisible(True)

    def clear_outcome(self) -> None:
        for part in (self.area, self.bar, self.score):
            part.setVisible(False)

    def discard(self) -> None:
        for part in self._parts:
            part.setParent(None)  # leaves the layout now, not with the next event
            part.deleteLater()


def area_in_words(area: Mapping[str, Any]) -> str:
    """E.g. "0.0131 mm², 20 %"; pixels where the pixel size is unknown."""
    percent = f"{area['percent_of_tissue']:.0f} %"
    if "mm2" not in area:
        return f"{area['pixels']:,} px, {percent}"
    return f"{area['mm2']:.3g} mm², {percent}"
