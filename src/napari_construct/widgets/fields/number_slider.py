"""A slider beside a number field; the number comes back exactly as it was set."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QSlider, QWidget

from napari_construct.widgets.fields.fields import Number, NumberField

_POSITIONS: Final = 1000


class NumberSlider(QWidget):
    """A number, by slider or typed. Typed numbers may go beyond the slider, up to the field's bounds.

    Parameters
    ----------
    usual : tuple of float
        Ends of the slider. It has whole steps if the field has no decimals.
    field : NumberField
        The number field.
    """

    edited = Signal()

    def __init__(
        self, usual: tuple[Number, Number], field: NumberField, *, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._usual = usual
        self._field = field
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, _POSITIONS if field.decimals() else round(usual[1] - usual[0]))
        self._slider.setMinimumWidth(60)
        field.setButtonSymbols(NumberField.ButtonSymbols.NoButtons)
        # napari's style makes number fields wider than three digits need
        field.setStyleSheet("QDoubleSpinBox { min-width: 38px; max-width: 48px; }")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(field)
        self._slider.valueChanged.connect(self._on_slider)
        field.edited.connect(self._on_number)
        self._show()

    def get(self) -> Any:
        return self._field.get()

    def put(self, number: Number) -> None:
        self._field.put(number)

    def setToolTip(self, tip: str) -> None:
        for part in (self._slider, self._field):
            part.setToolTip(tip)

    def setAccessibleName(self, name: str) -> None:
        self._slider.setAccessibleName(f"{name} (slider)")
        self._field.setAccessibleName(f"{name} (number)")

    def _on_slider(self, position: int) -> None:
        low, high = self._usual
        self.put(low + (high - low) * position / self._slider.maximum())

    def _on_number(self) -> None:
        self._show()
        self.edited.emit()

    def _show(self) -> None:
        low, high = self._usual
        self._slider.blockSignals(True)
        part = min(max((self.get() - low) / (high - low), 0.0), 1.0)  # beyond the ends it stays there
        self._slider.setValue(round(part * self._slider.maximum()))
        self._slider.blockSignals(False)
