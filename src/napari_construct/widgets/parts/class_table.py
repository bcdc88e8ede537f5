"""The editor of a class table: colour, name, prompt, shown, ignored; CSV and JSON; palettes."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_construct.classes import PALETTES, ClassTable, TissueClass
from napari_construct.exceptions import ConfigurationError
from napari_construct.widgets.fields.controls import named, narrow, plain_tip
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.parts.class_table_files import button_row, load_table, with_one_more

_COLUMNS: Final = ("", "Name", "Prompt", "Show", "Ignore")
_TIPS: Final = (
    "Colour. Double-click to change it",
    "Name of the class",
    "Description for text prototypes. Empty: the name is used",
    "Show the class in the mask",
    "Leave the class out of scores",
)
_FILES: Final = "Class tables (*.csv *.json)"
_COLOUR, _NAME, _PROMPT, _SHOWN, _IGNORED = range(5)


class ClassTableEditor(QWidget):
    """Edits a :class:`~napari_construct.classes.ClassTable`.

    Parameters
    ----------
    names_editable, prompts_editable : bool
        Whether names and prompts may change; those of a trained model may not.
    movable : bool
        Whether the order may change. It is the order of the model's outputs and of the values in masks.
    """

    valueChanged = Signal(object)
    failed = Signal(object)
    """A file could not be read or written."""
    classClicked = Signal(int)
    """The row of a class that was clicked on."""

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        names_editable: bool = False,
        prompts_editable: bool = False,
        movable: bool = False,
    ) -> None:
        super().__init__(parent)
        self._editable = {_NAME: names_editable, _PROMPT: names_editable or prompts_editable}
        self._value: ClassTable | None = None
        self._table = self._build_table()
        self._set_selectable(movable)
        layout = stacked(self, self._table, self._build_buttons())
        self._moves = button_row(
            self,
            (
                "Move up",
                self._move_up,
                "Move the selected class up. Mask values have this order",
            ),
            (
                "Move down",
                self._move_down,
                "Move the selected class down. Mask values have this order",
            ),
        )
        self._moves.setVisible(movable)
        self._growth = button_row(
            self,
            ("Add class", self.addRow, "Add a class. Double-click its name or prompt to edit it"),
            ("Remove class", self.removeRow, "Remove the selected class"),
        )
        self._growth.setVisible(False)
        layout.addWidget(self._moves)
        layout.addWidget(self._growth)

    def value(self) -> ClassTable | None:
        """The shown table; None while there is none."""
        return self._value

    def setValue(self, value: ClassTable | None) -> None:
        """Show a table; emits ``valueChanged`` if it differs."""
        if value == self._value:
            return
        self._value = value
        self._show()
        self.valueChanged.emit(value)

    def setNamesEditable(self, editable: bool) -> None:
        """Whether names may change."""
        self._editable[_NAME] = editable
        self._show()

    def setFree(self, free: bool) -> None:
        """Allow everything (classes without a trained model), or only what a trained model allows."""
        self._editable = dict.fromkeys(self._editable, free)
        self._growth.setVisible(free)
        self._set_selectable(free)
        self._show()

    def setPromptsShown(self, shown: bool) -> None:
        """Whether the column of prompts is on view: they mean nothing where no text is read."""
        self._table.setColumnHidden(_PROMPT, not shown)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fit_height()  # only now the rows have their height

    def selectClass(self, row: int) -> None:
        """Select the row of a class, where rows can be selected."""
        if self._selectable and row != self._table.currentRow():
            self._table.selectRow(row)

    def selectedClass(self) -> int:
        """The selected row; the first one where none is."""
        return max(self._table.currentRow(), 0)

    def addRow(self, *_: object) -> None:
        """Add a class under a free name."""
        self.setValue(with_one_more(self._value))
        self._table.selectRow(self._table.rowCount() - 1)

    def removeRow(self, *_: object) -> None:
        """Remove the selected class; the last one stays."""
        row = self._table.currentRow()
        if self._value is not None and len(self._value) > 1 and 0 <= row < len(self._value):
            self.setValue(ClassTable(classes=tuple(t for i, t in enumerate(self._value) if i != row)))

    def moveRow(self, step: int) -> None:
        """Move the selected class up (-1) or down (1)."""
        row = self._table.currentRow()
        if self._value is None or row < 0 or not 0 <= row + step < len(self._value):
            return
        classes = list(self._value)
        classes.insert(row + step, classes.pop(row))
        self.setValue(ClassTable(classes=tuple(classes)))
        self._table.selectRow(row + step)

    def openFile(self, *_: object) -> None:
        """Ask for a CSV or JSON file and load it."""
        path, _ = QFileDialog.getOpenFileName(self, "Open a class table", "", _FILES)
        if path:
            self.load(path)

    def saveFile(self, *_: object) -> None:
        """Ask for a file and write CSV or JSON, by its suffix."""
        path, _ = QFileDialog.getSaveFileName(self, "Save the class table", "classes.csv", _FILES)
        if path and self._value is not None:
            try:
                self._value.save(path)
            except OSError as error:
                self.failed.emit(ConfigurationError(f"{path}: cannot be written ({error.strerror or error})"))

    def load(self, path: str) -> None:
        """Take over the table of a file; for a trained model only what may change."""
        names, prompts = self._editable[_NAME], self._editable[_PROMPT]
        try:
            table = load_table(path, self._value, names=names, prompts=prompts)
        except ConfigurationError as error:
            self.failed.emit(error)
            return
        self.setValue(table)

    def _build_table(self) -> QTableWidget:
        table = named(
            QTableWidget(0, len(_COLUMNS), self),
            "Class table",
            "The classes. Double-click a colour to change it",
        )
        table.setHorizontalHeaderLabels(list(_COLUMNS))
        for i, tip in enumerate(_TIPS):
            table.horizontalHeaderItem(i).setToolTip(tip)
        header = table.horizontalHeader()
        header.setMinimumSectionSize(20)
        for column, width in ((_COLOUR, 26), (_SHOWN, 44), (_IGNORED, 50)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            table.setColumnWidth(column, width)
        for column in (_NAME, _PROMPT):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        table.verticalHeader().hide()
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.cellDoubleClicked.connect(self._on_double_click)
        table.cellClicked.connect(self._on_clicked)
        table.itemChanged.connect(self._on_item)
        return table

    def _build_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        tip = "Give the classes the colours of a palette. Okabe-Ito suits colour-blind users"
        palette = named(QComboBox(self), "Palette", tip)
        palette.addItem("Colours...")
        palette.addItems(list(PALETTES))
        narrow(palette, 3)
        palette.activated.connect(self._on_palette)
        row.addWidget(palette, 1)
        row.addWidget(
            button_row(
                self,
                ("Open...", self.openFile, "Read the class table from a CSV or JSON file"),
                ("Save...", self.saveFile, "Write the class table as CSV or JSON"),
            )
        )
        self._palette = palette
        return row

    def _set_selectable(self, selectable: bool) -> None:
        self._selectable = selectable
        mode = QAbstractItemView.SelectionMode
        self._table.setSelectionMode(mode.SingleSelection if selectable else mode.NoSelection)

    def _move_up(self, *_: object) -> None:
        self.moveRow(-1)

    def _move_down(self, *_: object) -> None:
        self.moveRow(1)

    def _show(self) -> None:
        blocked = self._table.blockSignals(True)
        classes = [] if self._value is None else list(self._value)
        self._table.setRowCount(len(classes))
        for row, tissue in enumerate(classes):
            self._show_row(row, tissue)
        self._table.blockSignals(blocked)
        self._fit_height()

    def _fit_height(self) -> None:
        """Show up to six classes without scrolling."""
        height = self._table.horizontalHeader().sizeHint().height() + 4
        height += sum(self._table.rowHeight(row) for row in range(min(self._table.rowCount(), 6)))
        self._table.setFixedHeight(height)

    def _show_row(self, row: int, tissue: TissueClass) -> None:
        fixed = Qt.ItemFlag.ItemIsEnabled
        if self._selectable:
            fixed |= Qt.ItemFlag.ItemIsSelectable
        colour = QTableWidgetItem()
        colour.setBackground(QColor(tissue.colour))
        colour.setToolTip(f"{tissue.colour}. Double-click to change it")
        colour.setFlags(Qt.ItemFlag.ItemIsEnabled)  # a selected cell would not show its colour
        self._table.setItem(row, _COLOUR, colour)
        for column, words in ((_NAME, tissue.name), (_PROMPT, tissue.prompt)):
            item = QTableWidgetItem(words)
            item.setFlags(fixed | Qt.ItemFlag.ItemIsEditable if self._editable[column] else fixed)
            item.setToolTip(plain_tip(words or _TIPS[column]))
            self._table.setItem(row, column, item)
        for column, on in ((_SHOWN, tissue.shown), (_IGNORED, tissue.ignored)):
            item = QTableWidgetItem()
            item.setFlags(fixed | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
            item.setToolTip(_TIPS[column])
            self._table.setItem(row, column, item)

    def _on_item(self, item: QTableWidgetItem) -> None:
        checked = item.checkState() == Qt.CheckState.Checked
        changes = {
            _NAME: {"name": item.text().strip()},
            _PROMPT: {"prompt": item.text().strip()},
            _SHOWN: {"shown": checked},
            _IGNORED: {"ignored": checked},
        }.get(item.column())
        if changes is not None:
            self._change(item.row(), changes)

    def _on_clicked(self, row: int, column: int) -> None:
        if column not in (_SHOWN, _IGNORED):
            self.classClicked.emit(row)

    def _on_double_click(self, row: int, column: int) -> None:
        if column == _COLOUR and self._value is not None:
            chosen = QColorDialog.getColor(QColor(self._value[row].colour), self, self._value[row].name)
            if chosen.isValid():
                self._change(row, {"colour": chosen.name().upper()})

    def _on_palette(self, index: int) -> None:
        self._palette.setCurrentIndex(0)
        if index < 1 or self._value is None:
            return
        self.setValue(self._value.coloured(PALETTES[self._palette.itemText(index)]))

    def _change(self, row: int, changes: dict[str, object]) -> None:
        """Change a row; a change that is not possible is reported and taken back."""
        if self._value is None:
            return
        classes = [tissue.model_dump() for tissue in self._value]
        classes[row] |= changes
        try:
            changed = ClassTable.model_validate({"classes": classes})
        except ValueError as error:
            self.failed.emit(ConfigurationError(f"class {row + 1}: {error}"))
            self._show()
            return
        self.setValue(changed)
