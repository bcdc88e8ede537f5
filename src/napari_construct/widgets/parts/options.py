"""The part of ``SegmentSettings`` that is numbers and switches."""

from __future__ import annotations

from typing import Any, Final, Literal

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QSpinBox, QWidget

from napari_construct.crf import CRFParameters
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.fields.fields import ChoiceField, NumberField, narrow_combo

DEVICES: Final = {
    "auto": "Automatic",
    "cpu": "CPU",
    "cuda": "NVIDIA card (CUDA)",
    "mps": "Apple card (MPS)",
}
CRF: Final = {"auto": "automatic", "on": "on", "off": "off"}
VIEWS: Final = {None: "automatic", "one": "one", "four": "four, turned", "six": "six, mirrored"}
_NO_MPP: Final = "unknown"
_NOT_SHOWN: Final = ("background", "protect_confidence", "presence_threshold", "background_exponent")


class SegmentOptions(QWidget):
    """Edits every field of ``SegmentSettings`` but the classes, and the device that the model runs on.

    The parameters of the CRF, the background rule and a few more are kept as they were; Refine edits them.
    """

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._crf_parameters: CRFParameters = CRFParameters()
        self._kept = SegmentSettings()
        self._device = device_field(self)
        self._device.edited.connect(self._on_changed)
        self._mpp = self._build_mpp()
        self._views = self._build_views()
        self._crf = self._build_crf()
        self._min_confidence = self._build_min_confidence()
        self._tile = self._build_pixels(
            "Tile", 64, 4096, 64, "Side of the squares the image is cut into, in pixels"
        )
        self._overlap = self._build_pixels(
            "Overlap", 0, 1024, 16, "Pixels that neighbouring tiles share; they are blended without seams"
        )
        self._layout_rows()
        self.setValue(SegmentSettings())

    def value(self) -> dict[str, Any]:
        """Fields of ``SegmentSettings`` other than ``classes``."""
        return {
            "mpp": self._mpp.number(),
            "views": self._views.currentData(),
            "crf": self._crf_value(),
            "min_confidence": self._min_confidence.number(),
            "tile": self._tile.value(),
            "overlap": self._overlap.value(),
            **{name: getattr(self._kept, name) for name in _NOT_SHOWN},
        }

    def setValue(self, value: SegmentSettings) -> None:
        """Show settings; emits ``valueChanged`` once where something changed."""
        before = self.value()
        blocked = self.blockSignals(True)
        self._mpp.setNumber(value.mpp)
        self._views.setCurrentIndex(list(VIEWS).index(value.views))
        if isinstance(value.crf, CRFParameters):
            self._crf_parameters = value.crf
        chosen = "off" if value.crf is None else "auto" if value.crf == "auto" else "on"
        self._crf.setCurrentIndex(list(CRF).index(chosen))
        self._min_confidence.setNumber(value.min_confidence)
        self._tile.setValue(value.tile)
        self._overlap.setValue(value.overlap)
        self._kept = value
        self.blockSignals(blocked)
        if self.value() != before:
            self.valueChanged.emit()

    def device(self) -> str:
        """Where the model is loaded."""
        return str(self._device.get())

    def setDevice(self, device: str) -> None:
        """Choose where the model is loaded."""
        self._device.put(device)

    def showModel(self, predictor: Any) -> None:
        """Say what "automatic" stands for with a model; None while it is not known."""
        checkpoint = getattr(predictor, "checkpoint", None)
        meaning = "" if checkpoint is None else " (on)" if checkpoint.uses_crf else " (off)"
        self._crf.setItemText(0, f"{CRF['auto']}{meaning}")

    def showResolution(self, mpp: float | None) -> None:
        """Say what the layer knows about its pixel size."""
        self._mpp.setNoneText(_NO_MPP if mpp is None else f"layer: {mpp:.4g}")

    def problem(self) -> str:
        """Why the options cannot be run, or nothing."""
        tile, overlap = self._tile.value(), self._overlap.value()
        if 2 * overlap > tile:
            return (
                f"The overlap ({overlap} pixels) may be at most half of the tile ({tile} pixels): take an "
                f"overlap of {tile // 2} or less, or tiles of {2 * overlap} or more."
            )
        return ""

    def _layout_rows(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Run on", self._device)
        form.addRow("µm per pixel", self._mpp)
        form.addRow("Tile (px)", self._tile)
        form.addRow("Overlap (px)", self._overlap)
        form.addRow("Min. confidence", self._min_confidence)
        form.addRow("Views", self._views)
        form.addRow("Refine borders", self._crf)

    def _build_mpp(self) -> NumberField:
        field = NumberField(0.0, 100.0, 0.05, 4, none_text=_NO_MPP, parent=self)
        field.setToolTip(
            "Micrometres per pixel of the image. The image is resampled to the resolution the model was "
            "trained at; the lowest value takes what the layer says"
        )
        field.setAccessibleName("Micrometres per pixel")
        field.numberChanged.connect(self._on_changed)
        return field

    def _build_views(self) -> QComboBox:
        tip = (
            "Views of the image whose mean is taken: one, its four quarter turns, or six (mirrored or not, "
            "darker or brighter), which take four or six times longer; automatic takes what suits the model"
        )
        combo = narrow_combo(self, "Views that are averaged", tip, VIEWS)
        combo.currentIndexChanged.connect(self._on_changed)
        return combo

    def _build_crf(self) -> QComboBox:
        tip = (
            "Move the borders of the mask to edges in the image's colours (dense CRF); automatic takes what "
            "suits the model"
        )
        combo = narrow_combo(self, "Refine borders", tip, CRF)
        combo.currentIndexChanged.connect(self._on_changed)
        return combo

    def _crf_value(self) -> CRFParameters | Literal["auto"] | None:
        chosen = self._crf.currentData()
        return self._crf_parameters if chosen == "on" else "auto" if chosen == "auto" else None

    def _build_min_confidence(self) -> NumberField:
        field = NumberField(0.0, 1.0, 0.05, 2, parent=self)
        field.setToolTip(
            "Pixels whose class is less probable than this (0 to 1) stay unlabelled; 0 labels every pixel"
        )
        field.setAccessibleName("Leave pixels unlabelled below this confidence")
        field.numberChanged.connect(self._on_changed)
        return field

    def _build_pixels(self, name: str, lowest: int, highest: int, step: int, tip: str) -> QSpinBox:
        box = QSpinBox(self)
        box.setRange(lowest, highest)
        box.setSingleStep(step)
        box.setKeyboardTracking(False)
        box.setToolTip(tip)
        box.setAccessibleName(f"{name} in pixels")
        box.valueChanged.connect(self._on_changed)
        return box

    def _on_changed(self, *_: object) -> None:
        self.valueChanged.emit()


def device_field(parent: QWidget) -> ChoiceField:
    """Where a model is loaded."""
    field = ChoiceField(DEVICES, parent=parent)
    field.setToolTip("Where the network runs; automatic takes a graphics card if there is one")
    field.setAccessibleName("Device")
    return field
