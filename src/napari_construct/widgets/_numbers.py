"""Number fields that give back exactly what was set."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QWidget


class NumberField(QDoubleSpinBox):
    """A spin box that rounds only what it shows, and whose lowest value may stand for None.

    Parameters
    ----------
    lowest, highest, step : float
        Range and step of the arrows.
    decimals : int
        Digits shown.
    none_text : str
        Shown at the lowest value, which then means None; without it every value is a number.
    """

    numberChanged = Signal(object)
    edited = Signal()
    """The same for those who ask for the number themselves: see ``_fields``."""

    def __init__(
        self,
        lowest: float,
        highest: float,
        step: float,
        decimals: int,
        *,
        none_text: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._optional = bool(none_text)
        self._number: float | None = None if none_text else lowest
        self.setDecimals(decimals)
        self.setRange(lowest, highest)
        self.setSingleStep(step)
        self.setSpecialValueText(none_text)
        # a value is taken when it is complete, not at every digit
        self.setKeyboardTracking(False)
        self.valueChanged.connect(self._on_edited)

    def number(self) -> float | None:
        return self._number

    def get(self) -> Any:
        """The number, as any field of ``_fields`` gives its value."""
        return self._number

    def put(self, value: Any) -> None:
        """Set the number, as the value of any field."""
        self.setNumber(None if value is None else float(value))

    def setNumber(self, number: float | None) -> None:
        """Set a number, or None where None has a text."""
        if number == self._number:
            return
        self.blockSignals(True)
        self.setValue(self.minimum() if number is None else number)
        self.blockSignals(False)
        self._tell(number)

    def setNoneText(self, text: str) -> None:
        self.setSpecialValueText(text)

    def _on_edited(self, value: float) -> None:
        self._tell(None if self._optional and value <= self.minimum() else value)

    def _tell(self, number: float | None) -> None:
        self._number = number
        self.numberChanged.emit(number)
        self.edited.emit()
