"""The files that a batch writes for each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QWidget

from napari_construct.batch.settings import BatchSettings
from napari_construct.widgets.fields.controls import tick

_OUTPUTS: Final = {
    "mask": ("Masks", "TIFF: the label image. For a stack also one file of all planes"),
    "overlay": ("Overlays", "PNG: the mask over the image, for a quick check"),
    "cams": ("Class maps", "OME-TIFF: how strongly each place speaks for each class (CAM)"),
    "ood": (
        "Distance maps",
        "OME-TIFF: how far each place is from the model's training images (out of distribution)",
    ),
    "zarr": ("OME-Zarr", "Image and labels as pyramids, for web viewers and very large images"),
}


class BatchOutputs(QWidget):
    """Edits ``BatchSettings.outputs``; at least one must be ticked for a run."""

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._boxes: dict[str, QCheckBox] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for i, (kind, (words, tip)) in enumerate(_OUTPUTS.items()):
            box = self._boxes[kind] = tick(words, tip, self)
            box.setChecked(kind in BatchSettings().outputs)
            box.toggled.connect(self.valueChanged)
            grid.addWidget(box, i // 2, i % 2)

    def value(self) -> list[str]:
        """The ticked kinds."""
        return [kind for kind, box in self._boxes.items() if box.isChecked()]

    def setValue(self, kinds: Sequence[str]) -> None:
        for kind, box in self._boxes.items():
            box.setChecked(kind in kinds)
