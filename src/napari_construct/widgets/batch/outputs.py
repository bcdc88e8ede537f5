"""What a batch writes of each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QWidget

from napari_construct.batch.settings import BatchSettings

_OUTPUTS: Final = {
    "mask": ("Masks", "TIFF: a label image of each image; of a stack also one of all planes"),
    "overlay": ("Overlays", "PNG: the mask drawn over the image, to look through quickly"),
    "cams": ("CAMs", "OME-TIFF: the class activation maps"),
    "zarr": ("OME-Zarr", "Image and labels as pyramids, for web viewers and very large images"),
}


class BatchOutputs(QWidget):
    """Edits ``BatchSettings.outputs`` as ticks; none ticked is no value yet."""

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._boxes: dict[str, QCheckBox] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for i, (kind, (words, tip)) in enumerate(_OUTPUTS.items()):
            box = self._boxes[kind] = QCheckBox(words, self)
            box.setToolTip(tip)
            box.setAccessibleName(words)
            box.setChecked(kind in BatchSettings().outputs)
            box.toggled.connect(self._on_toggled)
            grid.addWidget(box, i // 2, i % 2)

    def value(self) -> list[str]:
        """Kinds that are ticked."""
        return [kind for kind, box in self._boxes.items() if box.isChecked()]

    def setValue(self, kinds: Sequence[str]) -> None:
        for kind, box in self._boxes.items():
            box.setChecked(kind in kinds)

    def _on_toggled(self, *_: object) -> None:
        self.valueChanged.emit()
