"""The prototypes of a model, listed by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidgetItem, QWidget

from napari_construct.classes import ClassTable
from napari_construct.widgets.fields.controls import ReadOnlyTable, plain_tip
from napari_construct.widgets.fields.layout import swatch

if TYPE_CHECKING:
    from napari_construct.inference.prototypes.names import Prototype


class PrototypeList(ReadOnlyTable):
    """Chooses one prototype by name; the choice stays when others are added."""

    valueChanged = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        tip = "Choose a prototype to see its similarity map. The nearest prototype decides the class"
        super().__init__("Prototypes by class", tip, ("Prototype", "From"), parent)
        self._prototypes: tuple[Prototype, ...] = ()
        self._value = ""
        self.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setWordWrap(False)
        self.setMinimumHeight(150)
        self.itemSelectionChanged.connect(self._on_selection)

    def value(self) -> str:
        """Name of the chosen prototype; empty if none was chosen."""
        return self._value

    def setValue(self, name: str) -> None:
        """Choose by name; the prototype may come into the list later."""
        if name != self._value:
            self._value = name
            self._select()
            self.valueChanged.emit(name)

    def current(self) -> Prototype | None:
        """The chosen prototype; the first if none was chosen."""
        named = [p for p in self._prototypes if p.name == self._value]
        first = self._prototypes[:1] if not self._value else ()
        return next(iter((*named, *first)), None)

    def showPrototypes(self, prototypes: Sequence[Prototype], classes: ClassTable) -> None:
        """Replace the list, sorted by class; added prototypes come after the trained ones."""
        from napari_construct.inference.prototypes.names import prototype_table  # torch is loaded by now

        self._prototypes = tuple(sorted(prototypes, key=lambda p: (p.owner, p.number)))
        colours = {tissue.name: tissue.colour for tissue in prototype_table(tuple(prototypes), classes)}
        blocked = self.blockSignals(True)
        self.setRowCount(len(self._prototypes))
        for i, prototype in enumerate(self._prototypes):
            name = QTableWidgetItem(swatch(colours[prototype.name]), prototype.name)
            origin = QTableWidgetItem(prototype.origin)
            for column, item in enumerate((name, origin)):
                item.setToolTip(plain_tip(f"{prototype.name}: {prototype.origin}"))
                self.setItem(i, column, item)
        self.blockSignals(blocked)
        self._select()

    def clearPrototypes(self) -> None:
        """Empty the list while a model is loaded."""
        self._prototypes = ()
        self.setRowCount(0)

    def _select(self) -> None:
        blocked = self.blockSignals(True)
        current = self.current()
        self.clearSelection()
        if current is not None:
            self.selectRow(self._prototypes.index(current))
        self.blockSignals(blocked)

    def _on_selection(self) -> None:
        lines = self.selectionModel().selectedRows()
        if lines:
            self.setValue(self._prototypes[lines[0].row()].name)
