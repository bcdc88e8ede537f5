"""The part of ``SegmentSettings`` that is numbers and switches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from qtpy.QtWidgets import QWidget

from napari_construct.crf import CRFParameters
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.fields.fields import ChoiceField
from napari_construct.widgets.fields.rows import Group, Row
from napari_construct.widgets.fields.settings_form import Edited, SettingsForm, describe

DEVICES: Final = {
    "auto": "Automatic",
    "cpu": "CPU",
    "cuda": "NVIDIA card (CUDA)",
    "mps": "Apple card (MPS)",
}
MPP: Final = Row(
    "mpp",
    "µm per pixel",
    "Micrometres per pixel of the image. The image is resampled to the resolution the model was trained at; "
    "the lowest value takes what the layer says",
    none="of the layer",
    decimals=4,
)
TILE: Final = Row("tile", "Tile", "Side of the squares the image is cut into, in pixels", unit="px", step=64)
OVERLAP: Final = Row(
    "overlap",
    "Overlap",
    "Pixels that neighbouring tiles share; they are blended without seams",
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
        "Pixels whose class is less probable than this (0 to 1) stay unlabelled; 0 labels every pixel",
    ),
    Row(
        "views",
        "Views",
        "Views of the image whose mean is taken: one, its four quarter turns, or six (mirrored or not, "
        "darker or brighter), which take four or six times longer; automatic takes what suits the model",
        choices={None: "automatic", "one": "one", "four": "four, turned", "six": "six, mirrored"},
    ),
    Row(
        "crf",
        "Refine borders",
        "Move the borders of the mask to edges in the image's colours (dense CRF); automatic takes what "
        "suits the model",
        choices={"auto": "automatic", CRFParameters(): "on", None: "off"},
    ),
)


class DeviceForm(SettingsForm[Edited]):
    """A form that also says where the model runs, which is not a part of the settings."""

    def __init__(self, start: Edited, rows: Sequence[Row | Group], parent: QWidget | None = None) -> None:
        super().__init__(start, rows, parent)
        self._device = ChoiceField(DEVICES, parent=self)
        describe(
            self._device, "Device", "Where the network runs; automatic takes a graphics card if there is one"
        )
        self._device.edited.connect(self.valueChanged)
        self.layout().insertRow(0, "Run on", self._device)

    def device(self) -> str:
        """Where the model is loaded."""
        return str(self._device.get())

    def setDevice(self, device: str) -> None:
        """Choose where the model is loaded."""
        self._device.put(device)


class SegmentOptions(DeviceForm[SegmentSettings]):
    """Edits every field of ``SegmentSettings`` but the classes, and the device that the model runs on.

    The parameters of the CRF, the background rule and a few more are kept as they were; Refine edits them.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(SegmentSettings(), _ROWS, parent)

    def showModel(self, predictor: Any) -> None:
        """Say what "automatic" stands for with a model; None while it is not known."""
        checkpoint = getattr(predictor, "checkpoint", None)
        meaning = "" if checkpoint is None else " (on)" if checkpoint.uses_crf else " (off)"
        self.field("crf").setItemText(0, f"automatic{meaning}")

    def showResolution(self, mpp: float | None) -> None:
        """Say what the layer knows about its pixel size."""
        self.field("mpp").setNoneText("unknown" if mpp is None else f"layer: {mpp:.4g}")
