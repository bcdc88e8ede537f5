"""Small editors of one value each, with one interface: ``get()``, ``put(value)``, ``edited``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QLineEdit, QWidget

from napari_construct.widgets._numbers import NumberField


class WholeField(NumberField):
    """A whole number of any size, or None."""

    def __init__(
        self, lowest: int, highest: int, *, step: int = 1, none_text: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(float(lowest), float(highest), float(step), 0, none_text=none_text, parent=parent)
        self._whole: int | None = None

    def get(self) -> Any:
        number = self.number()
        if number is None or number == self._as_float():
            return None if number is None else self._whole
        return int(number)

    def put(self, value: Any) -> None:
        self._whole = value  # as it is: a float ends at 2^53
        super().put(value)

    def _as_float(self) -> float | None:
        return None if self._whole is None else float(self._whole)


class ChoiceField(QComboBox):
    """One of a few values; another one that is put in is added to the list.

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
        known = [i for i, v in enumerate(self._values) if v == value and type(v) is type(value)]
        if not known:
            self._add(value, str(value))
        self.setCurrentIndex(known[0] if known else len(self._values) - 1)
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
    """A text; None where it is empty."""

    edited = Signal()

    def __init__(self, hint: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText(hint)
        self.editingFinished.connect(self._on_finished)

    def get(self) -> Any:
        return self.text() or None

    def put(self, value: Any) -> None:
        if value != self.get():
            self.setText(value or "")
            self.edited.emit()

    def _on_finished(self) -> None:
        self.edited.emit()
