"""The files that a batch writes for each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QWidget

from napari_construct.batch.settings import OF_CELLS, OF_CLASSES, USUAL_OF_CELLS, BatchSettings
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
    "cells": (
        "Numbered cells",
        "TIFF: a number for each cell. For a stack also one file of all planes, with its table",
    ),
    "table": ("Tables of cells", "CSV: a row for each cell; one of all images together is batch_cells.csv"),
    "boundary": (
        "Boundary maps",
        "OME-TIFF: the borders of cells. With the foreground maps, other thresholds can be tried later",
    ),
}
_KINDS: Final[Mapping[bool, tuple[str, ...]]] = {False: OF_CLASSES, True: OF_CELLS}
"""What a student on one channel writes, and what other models write."""


class BatchOutputs(QWidget):
    """Edits ``BatchSettings.outputs``; at least one must be ticked for a run."""

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._boxes: dict[str, QCheckBox] = {}
        self._student = False
        self._ticked: dict[bool, list[str]] = {True: list(USUAL_OF_CELLS)}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        for kind, (words, tip) in _OUTPUTS.items():
            box = self._boxes[kind] = tick(words, tip, self)
            box.setChecked(kind in BatchSettings().outputs)
            box.toggled.connect(self.valueChanged)
        self._place()

    def setStudent(self, student: bool) -> None:
        """Offer what a student on one channel writes, or what other models write."""
        if student != self._student:
            self._ticked[self._student] = self.value()
            self._student = student
            self._place()
            self._tick(self._ticked.get(student, BatchSettings().outputs))
            self.valueChanged.emit()

    def value(self) -> list[str]:
        """The ticked kinds, of those that the model can write."""
        return [kind for kind in _KINDS[self._student] if self._boxes[kind].isChecked()]

    def setValue(self, kinds: Sequence[str]) -> None:
        """Tick kinds; those that only the other kind of model writes wait until there is one."""
        if set(kinds) <= set(_KINDS[self._student]):
            self._tick(kinds)
        else:
            self._ticked[not self._student] = list(kinds)

    def _tick(self, kinds: Sequence[str]) -> None:
        for kind in _KINDS[self._student]:
            self._boxes[kind].setChecked(kind in kinds)

    def _place(self) -> None:
        self._boxes["cams"].setText("Foreground maps" if self._student else _OUTPUTS["cams"][0])
        for kind, box in self._boxes.items():
            self._grid.removeWidget(box)
            box.setVisible(kind in _KINDS[self._student])
        for i, kind in enumerate(_KINDS[self._student]):
            self._grid.addWidget(self._boxes[kind], i // 2, i % 2)
