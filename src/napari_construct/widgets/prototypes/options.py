"""The numbers of ``PrototypeSettings``."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QSpinBox, QWidget

from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.widgets.fields.fields import NumberField
from napari_construct.widgets.parts.options import device_field


class PrototypeOptions(QWidget):
    """Edits every field of ``PrototypeSettings`` but the prototype, and the device that the model runs on."""

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._device = device_field(self)
        self._mpp = NumberField(0.0, 100.0, 0.05, 4, none_text="of the layer", parent=self)
        self._mpp.setToolTip("Micrometres per pixel of the image; the lowest value takes what the layer says")
        self._mpp.setAccessibleName("Micrometres per pixel")
        self._numbers = {
            "tile": self._spin(64, 4096, 64, "Side of the squares the image is cut into, in pixels"),
            "overlap": self._spin(0, 1024, 16, "Pixels that neighbouring tiles share"),
            "count": self._spin(1, 200, 1, "How many top patches are kept"),
            "per_image": self._spin(1, 200, 1, "How many of them one image may give"),
        }
        for box in (self._device, self._mpp, *self._numbers.values()):
            box.setMinimumWidth(90)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Run on", self._device)
        form.addRow("µm per pixel", self._mpp)
        names = ("Tile (px)", "Overlap (px)", "Top patches", "Of one image")
        for name, box in zip(names, self._numbers.values(), strict=True):
            box.setAccessibleName(name)
            form.addRow(name, box)
        self._device.edited.connect(self._on_changed)
        self._mpp.numberChanged.connect(self._on_changed)
        self.setValue(PrototypeSettings())

    def value(self) -> dict[str, Any]:
        """Fields of ``PrototypeSettings`` other than ``prototype``."""
        numbers = {name: box.value() for name, box in self._numbers.items()}
        return {"mpp": self._mpp.number(), **numbers}

    def setValue(self, value: PrototypeSettings) -> None:
        """Show settings; emits ``valueChanged`` once where something changed."""
        before = self.value()
        blocked = self.blockSignals(True)
        self._mpp.setNumber(value.mpp)
        for name, box in self._numbers.items():
            box.setValue(getattr(value, name))
        self.blockSignals(blocked)
        if self.value() != before:
            self.valueChanged.emit()

    def device(self) -> str:
        """Where the model is loaded."""
        return str(self._device.get())

    def setDevice(self, device: str) -> None:
        """Choose where the model is loaded."""
        self._device.put(device)

    def problem(self) -> str:
        """Why the options cannot be run, or nothing."""
        tile, overlap = self._numbers["tile"].value(), self._numbers["overlap"].value()
        if 2 * overlap > tile:
            return f"The overlap ({overlap} pixels) may be at most half of the tile ({tile} pixels)."
        return ""

    def _spin(self, lowest: int, highest: int, step: int, tip: str) -> QSpinBox:
        box = QSpinBox(self)
        box.setRange(lowest, highest)
        box.setSingleStep(step)
        box.setKeyboardTracking(False)
        box.setToolTip(tip)
        box.valueChanged.connect(self._on_changed)
        return box

    def _on_changed(self, *_: object) -> None:
        self.valueChanged.emit()
