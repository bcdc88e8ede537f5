"""Small editors of one value each, with one interface: ``get()``, ``put(value)``, ``edited``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QWidget

Number = int | float
"""To the checks of the tests an int is no float."""


class NumberField(QDoubleSpinBox):
    """A spin box that rounds only what it shows, and whose lowest value may stand for None.

    Parameters
    ----------
    lowest, highest, step : float
        Range and step of the arrows.
    decimals : int
        Digits shown; with 0 what is typed is a whole number.
    none_text : str
        Shown at the lowest value, which then means None; without it every value is a number.
    """

    edited = Signal()

    def __init__(
        self,
        lowest: Number,
        highest: Number,
        step: Number,
        decimals: int,
        *,
        none_text: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._optional = bool(none_text)
        self._number: Number | None = None if none_text else lowest
        self.setDecimals(decimals)
        self.setRange(float(lowest), float(highest))
        self.setSingleStep(float(step))
        self.setNoneText(none_text)
        # a value is taken when it is complete, not at every digit
        self.setKeyboardTracking(False)
        self.valueChanged.connect(self._on_edited)

    def get(self) -> Number | None:
        """The number exactly as it was put, or as it was typed."""
        return self._number

    def put(self, number: Number | None) -> None:
        """Set a number, or None where None has a text."""
        if number == self._number:
            return
        self.blockSignals(True)
        self.setValue(self.minimum() if number is None else float(number))
        self.blockSignals(False)
        self._number = number  # as it is: a float's whole numbers end at 2^53
        self.edited.emit()

    def setNoneText(self, text: str) -> None:
        """Say in other words what None means."""
        self.setSpecialValueText(text)

    def _on_edited(self, value: float) -> None:
        none = self._optional and value <= self.minimum()
        self._number = None if none else value if self.decimals() else int(value)
        self.edited.emit()


class ChoiceField(QComboBox):
    """One of a few values; another one that is put in is added to the list.

    Settings that are put in take the place of those of the same class.

    Parameters
    ----------
    choices : mapping
        Values and the words they are shown as.
    typed : bool
        Whether any text may be typed; it is then the value.
    """

    edited = Signal()

    def __init__(
        self, choices: Mapping[Any, str], *, typed: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self._values: list[Any] = []
        for value, words in choices.items():
            self._add(value, words)
        self.setEditable(typed)
        if typed:
            self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            self.lineEdit().editingFinished.connect(self._on_changed)
        self.currentIndexChanged.connect(self._on_changed)

    def get(self) -> Any:
        index = self.currentIndex()
        if self.isEditable() and self.currentText() != self.itemText(index):
            return self.currentText().strip()
        return self._values[index] if index >= 0 else None

    def put(self, value: Any) -> None:
        # None, 0 and "" are different choices
        known = [
            i
            for i, v in enumerate(self._values)
            if type(v) is type(value) and (v == value or isinstance(v, BaseModel))
        ]
        if not known:
            self._add(value, str(value))
        index = known[0] if known else len(self._values) - 1
        other, self._values[index] = self._values[index] != value, value
        self.setCurrentIndex(index)
        if other:
            self.edited.emit()
        if self.isEditable():
            self.setEditText(self.itemText(self.currentIndex()))
            self.lineEdit().setCursorPosition(0)  # of a long name the beginning counts

    def _add(self, value: Any, words: str) -> None:
        self._values.append(value)
        blocked = self.blockSignals(True)
        self.addItem(words)
        self.blockSignals(blocked)

    def _on_changed(self, *_: object) -> None:
        self.edited.emit()


class SwitchField(QCheckBox):
    """Two values: one when ticked, the other when not."""

    edited = Signal()

    def __init__(
        self, words: str, *, on: Any = True, off: Any = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(words, parent)
        self._on, self._off = on, off
        self.toggled.connect(self._on_toggled)

    def get(self) -> Any:
        return self._on if self.isChecked() else self._off

    def put(self, value: Any) -> None:
        self.setChecked(value == self._on)

    def _on_toggled(self, *_: object) -> None:
        self.edited.emit()


class TextField(QLineEdit):
    """A text.

    Parameters
    ----------
    hint : str
        Shown while it is empty.
    none : str or None
        Its value then.
    live : bool
        Whether every letter is told, not only the complete text.
    """

    edited = Signal()

    def __init__(
        self,
        hint: str = "",
        *,
        none: str | None = None,
        live: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._none = none
        self.setPlaceholderText(hint)
        (self.textEdited if live else self.editingFinished).connect(self._on_edited)

    def get(self) -> Any:
        return self.text().strip() or self._none

    def put(self, value: Any) -> None:
        if value != self.get():
            self.setText(self._written(value))
            self.setCursorPosition(0)  # of a long text the beginning counts
            self.edited.emit()

    def _written(self, value: Any) -> str:
        return value or ""

    def _on_edited(self, *_: object) -> None:
        self.edited.emit()


class TextsField(TextField):
    """Several texts with a separator in between."""

    def __init__(self, separator: str, hint: str = "", *, parent: QWidget | None = None) -> None:
        super().__init__(hint, parent=parent)
        self._separator = separator

    def get(self) -> Any:
        return tuple(part.strip() for part in self.text().split(self._separator) if part.strip())

    def _written(self, value: Any) -> str:
        return f" {self._separator} ".join(value)


_NONE: Final[Mapping[Any, str]] = MappingProxyType({})


def narrow_combo(parent: QWidget, name: str, tip: str, choices: Mapping[Any, str] = _NONE) -> QComboBox:
    """A combo box with an accessible name and a tooltip; ``choices`` maps its data to words."""
    combo = QComboBox(parent)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    combo.setToolTip(tip)
    combo.setAccessibleName(name)
    for value, words in choices.items():
        combo.addItem(words, value)
    return combo
