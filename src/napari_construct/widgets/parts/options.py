"""The form of ``SegmentSettings`` without the classes, and of the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from qtpy.QtWidgets import QWidget

from napari_construct.crf import CRFParameters
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.fields.changed import RowLabel, mark_field
from napari_construct.widgets.fields.fields import ChoiceField
from napari_construct.widgets.fields.rows import Group, Row
from napari_construct.widgets.fields.settings_form import Edited, SettingsForm, describe
from napari_construct.widgets.layers import PixelSize

DEVICES: Final = {
    "auto": "Automatic",
    "cpu": "CPU",
    "cuda": "NVIDIA (CUDA)",
    "mps": "Apple (MPS)",
}
MPP: Final = Row(
    "mpp",
    "Pixel size",
    "Micrometres per pixel of the image. The image is resampled to the resolution of the model. Lowest "
    "value: the pixel size of the layer or, where it has none, of its file",
    unit="µm",
    none="from layer",
    decimals=4,
)
TILE: Final = Row("tile", "Tile size", "Side of the tiles that the image is cut into", unit="px", step=64)
OVERLAP: Final = Row(
    "overlap",
    "Overlap",
    "Pixels that neighbouring tiles share. Seams are blended",
    unit="px",
    step=16,
)
_ROWS: Final = (
    MPP,
    TILE,
    OVERLAP,
    Row(
        "min_confidence",
        "Min. confidence",
        "Pixels with a lower confidence (0 to 1) stay unlabelled. 0 labels every pixel",
    ),
    Row(
        "views",
        "Views",
        "Number of views of the image to average. Four: quarter turns. Six: mirrored, darker and brighter. "
        "Four or six views take four or six times longer. Automatic: the model decides",
        choices={None: "automatic", "one": "one", "four": "four, turned", "six": "six, mirrored"},
    ),
    Row(
        "crf",
        "Refine borders",
        "The dense CRF moves the borders of the mask to edges in the image. Automatic: the model decides",
        choices={"auto": "automatic", CRFParameters(): "on", None: "off"},
    ),
)


class DeviceForm(SettingsForm[Edited]):
    """A form of settings and of the device, which is not part of the settings."""

    def __init__(self, start: Edited, rows: Sequence[Row | Group], parent: QWidget | None = None) -> None:
        super().__init__(start, rows, parent)
        self._device = ChoiceField(DEVICES, parent=self)
        describe(self._device, "Device", "Device of the network. Automatic: a graphics card if there is one")
        self._device.edited.connect(self.valueChanged)
        label = RowLabel("Run on", self._device.toolTip(), self._device, self)
        self.layout().insertRow(0, label, self._device)
        mark_field("Run on", self._device, "auto", label)

    def device(self) -> str:
        """The device of the model."""
        return str(self._device.get())

    def setDevice(self, device: str) -> None:
        self._device.put(device)

    def showResolution(self, size: PixelSize) -> None:
        """Show the pixel size of the layer, or of its file."""
        whose = "chosen" if size.given else "layer" if size.file is None else "file"
        self.field("mpp").setNoneText("unknown" if size.mpp is None else f"{whose}: {size.mpp:.4g}")


class SegmentOptions(DeviceForm[SegmentSettings]):
    """Edits ``SegmentSettings`` without the classes, and the device.

    The parameters of the CRF and the background rule stay as they were set; Refine edits them.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(SegmentSettings(), _ROWS, parent)

    def showModel(self, predictor: Any) -> None:
        """Show what "automatic" means with a model; None while it is not known."""
        uses = getattr(getattr(predictor, "checkpoint", None), "uses_crf", None)  # a student has none
        meaning = "" if uses is None else " (on)" if uses else " (off)"
        self.field("crf").setItemText(0, f"automatic{meaning}")
