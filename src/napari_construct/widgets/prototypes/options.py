"""The form of ``PrototypeSettings``, and of the device."""

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
    Row("count", "Top patches", "Number of top patches"),
    Row("per_image", "Per image", "Maximum number of top patches from one image"),
)


class PrototypeOptions(DeviceForm[PrototypeSettings]):
    """Edits ``PrototypeSettings`` without the prototype, and the device."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(PrototypeSettings(), _ROWS, parent)
