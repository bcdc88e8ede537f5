"""The classes of an image: found by the model, all of them, or selected; presence and area after a run."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QGridLayout, QRadioButton, QWidget

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.widgets.fields.controls import named, wrapped_label
from napari_construct.widgets.fields.layout import fold, stacked
from napari_construct.widgets.layers import ClassOutcome, PlaneOutcome
from napari_construct.widgets.parts.class_row import ClassRow

_UNKNOWN_COLOUR = "#999999"


class ClassList(QWidget):
    """Edits ``SegmentSettings.classes``: None while the model decides, else all names or the ticked ones.

    A ticked name that the model does not know keeps its row, and :meth:`problem` names it.
    """

    valueChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table: ClassTable | None = None
        self._rows: dict[str, ClassRow] = {}
        self._given: tuple[str, ...] = ()
        self._shown: tuple[PlaneOutcome, bool] | None = None
        self._predicted, self._all, self._chosen = self._build_modes()
        self._grid = QGridLayout()
        self._grid.setColumnStretch(0, 1)
        self._grid.setVerticalSpacing(2)
        modes = QWidget(self)
        stacked(modes, self._predicted, self._all, self._chosen)
        tip = "Whether the model finds the classes of an image, or you name them"
        self._modes = fold("Which classes count", tip, modes, self)
        self._of = wrapped_label("Result of", "What the areas and presences below belong to", self)
        self._of.hide()
        stacked(self, self._of, self._grid, self._modes)

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

    def showOutcome(self, plane: PlaneOutcome, *, of: str, given: bool = False) -> None:
        """Show presence and area of each class in a plane; they stay while only the classes' style changes.

        Parameters
        ----------
        plane : PlaneOutcome
            What was found.
        of : str
            What it was found in, for people: the image, the plane, the model.
        given : bool
            Whether the user gave the classes.
        """
        self._shown = plane, given
        self._of.setText(of)
        self._of.setVisible(bool(of))
        self._show_rows()

    def clearOutcome(self) -> None:
        self._shown = None
        self._of.hide()
        for row in self._rows.values():
            row.clear_outcome()

    def _show_rows(self) -> None:
        if self._shown is None:
            return
        plane, given = self._shown
        found = _by_row(list(self._rows), plane.classes)
        for name, row in self._rows.items():
            if name in found:
                row.show_outcome(found[name], plane, given=given)
            else:
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
            row = ClassRow(tissue, known=tissue.name in known or self._table is None, parent=self)
            row.box.setChecked(tissue.name in ticked)
            row.box.toggled.connect(self._on_ticked)
            row.place(self._grid, 3 * i)
            self._rows[tissue.name] = row
        self._show_rows()

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


def _by_row(names: Sequence[str], found: Sequence[ClassOutcome]) -> dict[str, ClassOutcome]:
    """The outcome of each class by the name in its row; a class that was renamed is known by its place."""
    by_name = {one.name: one for one in found}
    rows = {name: by_name[name] for name in names if name in by_name}
    if len(names) == len(found):
        rows |= {
            name: one
            for name, one in zip(names, found, strict=True)
            if name not in rows and one.name not in rows
        }
    return rows
