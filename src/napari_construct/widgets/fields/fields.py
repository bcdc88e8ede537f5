"""Small editors of one value each, with one interface: ``get()``, ``put(value)``, ``edited``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel
from qtpy.QtCore import Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QWidget

from napari_construct.widgets.fields.controls import named
from napari_construct.widgets.fields.narrow_combo import NarrowCombo

Number = int | float
"""Both types: the type checks of the tests do not take an int for a float."""


_UNITS: Final = ("µm", "μm", "um", "microns", "px", "pixels", "%", "×", "x", "µm/px", "μm/px", "um/px")
_WRITTEN: Final = re.compile(
    r"\s*(?P<digits>[+-]?[\d.,]+)(?P<power>(?:[eE][+-]?\d{0,3})?)\s*(?P<unit>[^\W\d_]*(?:/[^\W\d_]*)?|%|×)\s*"
)
"""A number as people write it or paste it, with the unit that the label asks for."""
_GROUPED: Final = re.compile(r"-?\d{1,3}([.,]\d{0,3})+")


class NumberField(QDoubleSpinBox):
    """A spin box that rounds only the shown number; its lowest value may mean None.

    Parameters
    ----------
    lowest, highest, step : float
        Range and step of the arrows.
    decimals : int
        Digits shown; 0 for whole numbers.
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
        self.lineEdit().setAcceptDrops(False)  # a file's address is no number
        self.setKeyboardTracking(False)  # a value counts when it is complete, not at every digit
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

    def validate(self, text: str, pos: int) -> Any:
        """Accept a decimal comma as well as a point, whatever the system's language."""
        plain = self._without_unit(text)
        state = super().validate(self._localised(plain), len(plain))[0]
        if plain != text and state == QValidator.State.Invalid:
            state = QValidator.State.Intermediate  # 1e- on the way to 1e-4
        if state == QValidator.State.Invalid and _GROUPED.fullmatch(text):
            state = QValidator.State.Intermediate  # 1,02 on the way to 1,024
        return state, text, pos

    def valueFromText(self, text: str) -> float:
        """The number of a text with a decimal comma or point, an exponent, a unit."""
        return float(super().valueFromText(self._localised(self._without_unit(text))))

    def _without_unit(self, text: str) -> str:
        """The digits of "0,5 µm" and of "1e-4"; a text that is no such number as it is."""
        found = None if text == self.specialValueText() else _WRITTEN.fullmatch(text)
        if found is None or not any(unit.startswith(found["unit"].lower()) for unit in _UNITS):
            return text
        if not found["power"]:
            return found["digits"]
        try:
            value = float((found["digits"] + found["power"]).replace(",", "."))
        except ValueError:  # 1e
            return ""
        return f"{value:.{self.decimals()}f}"

    def _localised(self, text: str) -> str:
        """A typed number as the system's language writes it; other texts as they are."""
        if text == self.specialValueText() or not set(text) & {",", "."}:
            return text
        last = max(text.rfind(","), text.rfind("."))
        whole, rest = text[:last].replace(",", "").replace(".", ""), text[last + 1 :]
        grouped = len(rest) == 3 and (not self.decimals() or text.count(text[last]) > 1)
        return whole + ("" if grouped else self.locale().decimalPoint()) + rest

    def setNoneText(self, text: str) -> None:
        """Change the text that is shown for None; what is being typed stays."""
        if text == self.specialValueText():
            return
        line = self.lineEdit()
        typed, cursor = line.text(), line.cursorPosition()
        being_typed = self.hasFocus() and line.isModified() and typed != self.specialValueText()
        self.setSpecialValueText(text)  # writes the value over it
        if being_typed:
            line.setText(typed)
            line.setModified(True)
            line.setCursorPosition(cursor)

    def wordsOf(self, number: Number | None) -> str:
        """A number, or None, as the field shows it."""
        return self.specialValueText() if number is None else self.textFromValue(float(number))

    def _on_edited(self, value: float) -> None:
        none = self._optional and value <= self.minimum()
        self._number = None if none else value if self.decimals() else int(value)
        self.edited.emit()


class ChoiceField(NarrowCombo):
    """One of a few values; :meth:`put` adds a value that is not in the list.

    Settings replace those of the same class.

    Parameters
    ----------
    choices : mapping
        Values and their texts.
    typed : bool
        Whether any text may be typed as a value.
    """

    edited = Signal()

    def __init__(
        self, choices: Mapping[Any, str], *, typed: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._values: list[Any] = []
        for value, words in choices.items():
            self._add(value, words)
        self.setEditable(typed)
        if typed:
            self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            self.lineEdit().editingFinished.connect(self.edited)
        self.currentIndexChanged.connect(self.edited)

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
            self.lineEdit().setCursorPosition(0)  # show the beginning of a long name

    def wordsOf(self, value: Any) -> str:
        """The text of a choice; of a value that is not in the list, the value."""
        texts = [
            self.itemText(i) for i, v in enumerate(self._values) if type(v) is type(value) and v == value
        ]
        return texts[0] if texts else str(value)

    def _add(self, value: Any, words: str) -> None:
        self._values.append(value)
        blocked = self.blockSignals(True)
        self.addItem(words)
        self.blockSignals(blocked)


class SwitchField(QCheckBox):
    """Two values: one when ticked, the other when not."""

    edited = Signal()

    def __init__(
        self, words: str, *, on: Any = True, off: Any = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(words, parent)
        self._on, self._off = on, off
        self.toggled.connect(self.edited)

    def onValue(self) -> Any:
        """The value of a tick."""
        return self._on

    def get(self) -> Any:
        return self._on if self.isChecked() else self._off

    def put(self, value: Any) -> None:
        self.setChecked(value == self._on)


class TextField(QLineEdit):
    """A text.

    Parameters
    ----------
    hint : str
        Shown while it is empty.
    none : str or None
        The value while it is empty.
    live : bool
        Whether ``edited`` comes with every letter, not only with the complete text.
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
        (self.textEdited if live else self.editingFinished).connect(self.edited)

    def get(self) -> Any:
        return self.text().strip() or self._none

    def put(self, value: Any) -> None:
        if value != self.get():
            self.setText(self._written(value))
            self.setCursorPosition(0)  # show the beginning of a long text
            self.edited.emit()

    def _written(self, value: Any) -> str:
        return value or ""


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
    """A narrow combo box; ``choices`` maps its data to texts."""
    combo = named(NarrowCombo(parent), name, tip)
    for value, words in choices.items():
        combo.addItem(words, value)
    return combo
