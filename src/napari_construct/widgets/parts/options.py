"""The part of ``SegmentSettings`` that is numbers and switches."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QWidget

from napari_construct.inference.settings import SegmentSettings
from napari_construct.refinement.dense_crf.params import CRFParameters
from napari_construct.widgets.fields.rows import Row
from napari_construct.widgets.fields.settings_form import SettingsForm

DEVICES: Final = {
    "auto": "Automatic",
    "cpu": "CPU",
    "cuda": "NVIDIA card (CUDA)",
    "mps": "Apple card (MPS)",
}
DEVICE: Final = Row(
    "device",
    "Run on",
    "Where the network runs; automatic takes a graphics card if there is one",
    choices=DEVICES,
)
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
    DEVICE,
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
        "Refine borders (dense CRF)",
        "Move the borders of the mask to edges in the image's colours",
        states=(None, CRFParameters()),
    ),
)


class SegmentOptions(SettingsForm[SegmentSettings]):
    """Edits every field of ``SegmentSettings`` but the classes.

    The parameters of the CRF, the background rule and a few more are kept as they were; Refine edits them.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(SegmentSettings(), _ROWS, parent)

    def showResolution(self, mpp: float | None) -> None:
        """Say what the layer knows about its pixel size."""
        self.field("mpp").setNoneText("unknown" if mpp is None else f"layer: {mpp:.4g}")
