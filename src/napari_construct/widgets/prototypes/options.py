"""The numbers of ``PrototypeSettings``."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QWidget

from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.widgets.fields.rows import Row
from napari_construct.widgets.parts.options import MPP, OVERLAP, TILE, DeviceForm

_ROWS: Final = (
    MPP,
    TILE,
    OVERLAP,
    Row("count", "Top patches", "How many top patches are kept"),
    Row("per_image", "Of one image", "How many of them one image may give"),
)


class PrototypeOptions(DeviceForm[PrototypeSettings]):
    """Edits every field of ``PrototypeSettings`` but the prototype, and the device that the model runs on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(PrototypeSettings(), _ROWS, parent)
