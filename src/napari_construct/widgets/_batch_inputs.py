"""What a batch is made of: files, folders and layers, and what became of each image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QGridLayout, QPushButton, QVBoxLayout, QWidget

from napari_construct.batch.ledger import Entry
from napari_construct.widgets._batch_job import LayerInput, layer_input
from napari_construct.widgets._item_table import ItemTable
from napari_construct.widgets._layers import is_source


class BatchInputs(QWidget):
    """Edits a list of inputs; while a batch runs and after it, the list shows its images.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose image layers can be added.
    """

    valueChanged = Signal()
    opened = Signal(object)
    """The entry of a row that was double-clicked."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._inputs: dict[str, Path | LayerInput] = {}
        self._items = ItemTable(self)
        self._items.opened.connect(self.opened)
        row = QGridLayout()
        for i, (text, tip, slot) in enumerate(
            (
                ("Files...", "Add image files and stacks", self._ask_files),
                ("Folder...", "Add a folder, with the folders in it", self._ask_folder),
                ("Layers", "Add the selected image layers, or all of them", self._add_layers),
                ("Remove", "Take the selected rows off the list", self._remove),
            )
        ):
            button = QPushButton(text, self)
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.setStyleSheet("QPushButton { padding: 3px; }")
            button.clicked.connect(slot)
            row.addWidget(button, 0, i)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self._items, 1)

    def value(self) -> list[Path | LayerInput]:
        """Files, folders and layers in the order in which they were added."""
        return list(self._inputs.values())

    def addPaths(self, paths: list[str]) -> None:
        """Add image files, stacks and folders."""
        self._inputs |= {str(path): Path(path) for path in paths}
        self._show()

    def addLayer(self, layer: Any) -> None:
        """Add an image layer, every plane of it."""
        given = layer_input(layer)
        self._inputs[given.name] = given
        self._show()

    def items(self) -> ItemTable:
        """The rows on view."""
        return self._items

    def showEntry(self, entry: Entry) -> None:
        """Say what became of one image."""
        self._items.showEntry(entry)

    def _show(self) -> None:
        self._items.showItems([(key, _name(given)) for key, given in self._inputs.items()])
        self.valueChanged.emit()

    def _ask_files(self, *_: object) -> None:
        kinds = "Images (*.png *.jpg *.jpeg *.bmp *.tif *.tiff *.svs);;All files (*)"
        paths, _ = QFileDialog.getOpenFileNames(self, "Add images", "", kinds)
        self.addPaths(paths)

    def _ask_folder(self, *_: object) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Add a folder of images")
        if folder:
            self.addPaths([folder])

    def _add_layers(self, *_: object) -> None:
        chosen = [layer for layer in self._viewer.layers.selection if is_source(layer)]
        for layer in chosen or [layer for layer in self._viewer.layers if is_source(layer)]:
            self.addLayer(layer)

    def _remove(self, *_: object) -> None:
        """Off the list; after a run the list shows images again as they were added."""
        for key in self._items.selectedKeys():
            self._inputs.pop(key, None)
        self._show()


def _name(given: Path | LayerInput) -> str:
    return f"{given.name} ({len(given.planes)} planes)" if isinstance(given, LayerInput) else given.name
