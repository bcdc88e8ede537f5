"""The patches that are most like a prototype, as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import QSize, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListView,
    QListWidget,
    QListWidgetItem,
    QWidget,
)

from napari_construct.types import RGBImage
from napari_construct.widgets.fields.layout import push_button, stacked
from napari_construct.widgets.layers import camera

if TYPE_CHECKING:  # loads torch
    from napari_construct.inference.prototypes.top_patches import Patch, TopPatches

SIDE: Final = 80
"""Pixels of a picture."""


class PatchGallery(QWidget):
    """Asks for a search and shows what was found; a double click shows where a patch lies."""

    folderRequested = Signal(str)
    stackRequested = Signal()
    opened = Signal(object)
    """The patch that was double-clicked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._patches: tuple[Patch, ...] = ()
        self._folder = push_button(
            self, "Folder...", "Look through the images of a folder", "Look through a folder"
        )
        self._stack = push_button(
            self,
            "This image",
            "Look through the image layer, every plane of a stack",
            "Look through the image",
        )
        self._title = QLabel(self)
        self._title.setWordWrap(True)
        self._title.setAccessibleName("What the gallery shows")
        self._title.setToolTip("Of which prototype; the best patch comes first")
        self._list = QListWidget(self)
        self._list.setViewMode(QListView.ViewMode.IconMode)
        self._list.setResizeMode(QListView.ResizeMode.Adjust)
        self._list.setMovement(QListView.Movement.Static)
        self._list.setIconSize(QSize(SIDE, SIDE))
        self._list.setSpacing(3)
        self._list.setMinimumHeight(2 * SIDE + 60)
        self._list.setToolTip("Double-click a patch to see where it lies")
        self._list.setAccessibleName("Top patches")
        row = QHBoxLayout()
        row.addWidget(self._folder)
        row.addWidget(self._stack)
        stacked(self, row, self._title, self._list)
        self._folder.clicked.connect(self.chooseFolder)
        self._stack.clicked.connect(self._on_stack)
        self._list.itemDoubleClicked.connect(self._on_opened)
        self._title.setText("Patches most like the chosen prototype.")

    def patches(self) -> tuple[Patch, ...]:
        """What is shown, the best first."""
        return self._patches

    def showTop(self, top: TopPatches) -> None:
        """Show what a search has found so far."""
        self._patches = top.patches
        self._title.setText(f"Most like {top.prototype.name}, the best first:")
        self._list.clear()
        for patch in top.patches:
            item = QListWidgetItem(_icon(patch.pixels), f"{patch.similarity:.2f}")
            item.setToolTip(
                f"{Path(patch.key).name}, row {patch.row}, column {patch.column}: {patch.similarity:.3f}"
            )
            self._list.addItem(item)

    def chooseFolder(self, *_: object) -> None:
        """Ask for a folder of images."""
        folder = QFileDialog.getExistingDirectory(self, "Folder of images")
        if folder:
            self.folderRequested.emit(folder)

    def _on_stack(self, *_: object) -> None:
        self.stackRequested.emit()

    def _on_opened(self, item: QListWidgetItem) -> None:
        self.opened.emit(self._patches[self._list.row(item)])


def show_patch(viewer: Any, layer: Any, patch: Patch) -> None:
    """Bring a patch to the middle of the canvas: of the file that it is from, or of a layer."""
    file = Path(patch.key.partition("#")[0])
    if file.is_file():
        open_already = [other for other in viewer.layers if other.source.path == str(file)]
        layer = open_already[0] if open_already else viewer.open(str(file), plugin="napari")[0]
    if layer is None:
        return
    middle = [patch.row + patch.pixels.shape[0] / 2, patch.column + patch.pixels.shape[1] / 2]
    world = layer.data_to_world([0.0] * (layer.ndim - 2) + middle)
    view = camera(viewer)
    view.center = (*view.center[:-2], *world[-2:])


def _icon(pixels: RGBImage) -> QIcon:
    rows, columns = pixels.shape[:2]
    data = np.ascontiguousarray(pixels)
    image = QImage(data.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888)
    return QIcon(QPixmap.fromImage(image.copy()))
