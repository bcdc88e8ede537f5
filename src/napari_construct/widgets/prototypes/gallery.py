"""The patches most similar to a prototype, as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import QSize, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QListView,
    QListWidget,
    QListWidgetItem,
    QWidget,
)

from napari_construct.reading.places import is_file
from napari_construct.types import RGBImage
from napari_construct.widgets.fields.controls import button, named, plain_tip, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.layers import camera, viewer_point

if TYPE_CHECKING:  # imports torch
    from napari_construct.inference.prototypes.top_patches import Patch, TopPatches

SIDE: Final = 80
"""Side of a picture in pixels."""

_EMPTY: Final = "Patches most similar to the chosen prototype."


class PatchGallery(QWidget):
    """Requests a search and shows its patches; a double click moves the view to a patch."""

    folderRequested = Signal(str)
    stackRequested = Signal()
    opened = Signal(object)
    """The double-clicked patch."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._patches: tuple[Patch, ...] = ()
        tip = "Prototype of these patches. The best patch comes first"
        self._title = wrapped_label("Prototype of the top patches", tip, self, _EMPTY)
        self._list = named(QListWidget(self), "Top patches", "Double-click a patch to go there")
        self._list.setViewMode(QListView.ViewMode.IconMode)
        self._list.setResizeMode(QListView.ResizeMode.Adjust)
        self._list.setMovement(QListView.Movement.Static)
        self._list.setIconSize(QSize(SIDE, SIDE))
        self._list.setSpacing(3)
        self._list.setMinimumHeight(2 * SIDE + 60)
        row = QHBoxLayout()
        tip = "Search the images of a folder"
        row.addWidget(button("Folder...", tip, self.chooseFolder, self, name="Search a folder"))
        tip = "Search the image layer, all planes of a stack"
        row.addWidget(button("This image", tip, self.stackRequested, self, name="Search the image"))
        stacked(self, row, self._title, self._list)
        self._list.itemDoubleClicked.connect(self._on_opened)

    def patches(self) -> tuple[Patch, ...]:
        """The shown patches, best first."""
        return self._patches

    def showTop(self, top: TopPatches) -> None:
        """Show the patches that were found so far."""
        self._patches = top.patches
        self._title.setText(f"Most similar to {top.prototype.name}, best first:")
        self._list.clear()
        for patch in top.patches:
            item = QListWidgetItem(_icon(patch.pixels), f"{patch.similarity:.2f}")
            place = f"{Path(patch.key).name}, row {patch.row}, column {patch.column}"
            item.setToolTip(plain_tip(f"{place}: {patch.similarity:.3f}"))
            self._list.addItem(item)

    def clear(self) -> None:
        """Show no patches: they were those of another model."""
        self._patches = ()
        self._title.setText(_EMPTY)
        self._list.clear()

    def chooseFolder(self, *_: object) -> None:
        """Ask for a folder of images."""
        folder = QFileDialog.getExistingDirectory(self, "Folder of images")
        if folder:
            self.folderRequested.emit(folder)

    def _on_opened(self, item: QListWidgetItem) -> None:
        self.opened.emit(self._patches[self._list.row(item)])


def show_patch(viewer: Any, layer: Any, patch: Patch) -> None:
    """Move the canvas to a patch of a file, which is opened if needed, or of a layer."""
    file = Path(patch.key.partition("#")[0])
    if is_file(file):
        open_already = [other for other in viewer.layers if other.source.path == str(file)]
        layer = open_already[0] if open_already else viewer.open(str(file), plugin="napari")[0]
    if layer is None:
        return
    middle = [patch.row + patch.pixels.shape[0] / 2, patch.column + patch.pixels.shape[1] / 2]
    world = viewer_point(layer, [0.0] * (layer.ndim - 2) + middle, viewer.layers)
    view = camera(viewer)
    view.center = (*view.center[:-2], *world[-2:])


def _icon(pixels: RGBImage) -> QIcon:
    rows, columns = pixels.shape[:2]
    data = np.ascontiguousarray(pixels)
    image = QImage(data.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888)
    return QIcon(QPixmap.fromImage(image.copy()))
