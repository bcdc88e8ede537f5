"""A slider with a number that gives back exactly what was set."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QSlider, QWidget

from napari_construct.widgets.fields.fields import NumberField

_POSITIONS = 1000


class NumberSlider(QWidget):
    """A number between two bounds, by slider or by hand.

    The slider's range is what is usual; a number beyond it can be typed and is kept, up to the field's own
    bounds.

    Parameters
    ----------
    name, tip : str
        Accessible name and tooltip of both parts.
    usual : tuple of float
        Ends of the slider.
    allowed : tuple of float
        Least and largest number.
    decimals : int
        Digits shown; 0 makes the slider step through whole numbers.
    """

    numberChanged = Signal(float)

    def __init__(
        self,
        name: str,
        tip: str,
        usual: tuple[int | float, int | float],
        allowed: tuple[int | float, int | float],
        decimals: int = 0,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._usual = usual
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, round(usual[1] - usual[0]) if decimals == 0 else _POSITIONS)
        self._slider.setMinimumWidth(60)
        self._field = NumberField(
            float(allowed[0]),
            float(allowed[1]),
            step=1.0 if decimals == 0 else 0.05,
            decimals=decimals,
            parent=self,
        )
        self._field.setButtonSymbols(NumberField.ButtonSymbols.NoButtons)
        # napari's style makes number fields wider than three digits need
        self._field.setStyleSheet("QDoubleSpinBox { min-width: 38px; max-width: 48px; }")
        for part, kind in ((self._slider, "slider"), (self._field, "number")):
            part.setToolTip(tip)
            part.setAccessibleName(f"{name} ({kind})")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._field)
        self._slider.valueChanged.connect(self._on_slider)
        self._field.numberChanged.connect(self._on_number)
        self._show(self.number())

    def number(self) -> float:
        return float(self._field.number() or 0.0)

    def setNumber(self, number: Any) -> None:
        self._field.setNumber(float(number))

    def _on_slider(self, position: int) -> None:
        low, high = self._usual
        self._field.setNumber(low + (high - low) * position / self._slider.maximum())

    def _on_number(self, number: float) -> None:
        self._show(number)
        self.numberChanged.emit(number)

    def _show(self, number: float) -> None:
        low, high = self._usual
        self._slider.blockSignals(True)
        part = min(max((number - low) / (high - low), 0.0), 1.0)  # beyond it stays at its end
        self._slider.setValue(round(part * self._slider.maximum()))
        self._slider.blockSignals(False)
