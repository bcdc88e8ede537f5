"""What a batch is made of: files, folders and layers, and what became of each image."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QGridLayout, QPushButton, QVBoxLayout, QWidget

from napari_construct.batch.ledger import Entry
from napari_construct.widgets.batch.item_table import ItemTable
from napari_construct.widgets.batch.job import LayerInput, layer_input
from napari_construct.widgets.layers import is_source, layer_shape
from napari_construct.widgets.layers.follower import Follower


class BatchInputs(QWidget):
    """Edits a list of inputs; while a batch runs and after it, the list shows its images.

    Layers are followed: one that is renamed has its new name here, one that is deleted is no input any more.
    A batch that runs has its own view of them and is not disturbed, and neither are the rows of its images.

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
        self._inputs: list[Path | Any] = []
        self._of_run = False
        self._items = ItemTable(self)
        self._items.opened.connect(self.opened)
        events = viewer.layers.events
        self._follower = Follower(self, "follow_layers", (events.removed, events.renamed))
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
        """Files, folders, and layers as they are now, in the order in which they were added."""
        return [one if isinstance(one, Path) else layer_input(one) for one in self._inputs]

    def isEmpty(self) -> bool:
        return not self._inputs

    def addPaths(self, paths: list[str]) -> None:
        """Add image files, stacks and folders."""
        self._inputs += [path for path in dict.fromkeys(map(Path, paths)) if path not in self._inputs]
        self._show()

    def addLayer(self, layer: Any) -> None:
        """Add an image layer of the viewer, every plane of it."""
        if layer not in self._inputs:
            self._inputs.append(layer)
        self._show()

    def follow_layers(self) -> None:
        """A layer of the viewer has another name, or is gone."""
        before = self._inputs
        self._inputs = [one for one in before if isinstance(one, Path) or one in self._viewer.layers]
        if not self._of_run:
            self._show()
        elif self._inputs != before:
            self.valueChanged.emit()

    def items(self) -> ItemTable:
        """The rows on view."""
        return self._items

    def showImages(self, items: Sequence[tuple[str, str]]) -> None:
        """Show keys and names of a batch's images until the inputs are edited."""
        self._of_run = True
        self._items.showItems(items)

    def showEntry(self, entry: Entry) -> None:
        """Say what became of one image."""
        self._items.showEntry(entry)

    def _show(self) -> None:
        self._of_run = False
        self._items.showItems([(_key(given), _name(given)) for given in self._inputs])
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
        keys = self._items.selectedKeys()
        self._inputs = [given for given in self._inputs if _key(given) not in keys]
        self._show()


def _key(given: Path | Any) -> str:
    return str(given if isinstance(given, Path) else given.name)


def _name(given: Path | Any) -> str:
    planes = 1 if isinstance(given, Path) else prod(layer_shape(given)[:-2])
    return f"{given.name} ({planes} planes)" if planes > 1 else str(given.name)
