"""The inputs of a batch: files, folders and layers, and the state of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QGridLayout, QVBoxLayout, QWidget

from napari_construct.batch.entries import Entry
from napari_construct.data.listing import IMAGE_SUFFIXES
from napari_construct.data.slide_parts import SLIDE_SUFFIXES
from napari_construct.events import Event
from napari_construct.events.time_left import key_of
from napari_construct.reading.names import shown
from napari_construct.widgets.batch.item_table import ItemTable
from napari_construct.widgets.batch.job import LayerInput, layer_input
from napari_construct.widgets.fields.controls import button
from napari_construct.widgets.layers import is_source, layer_shape
from napari_construct.widgets.layers.follower import Follower
from napari_construct.widgets.layers.slides import is_large, read_from_file

_STAGES: Final = {"tiles": "tiles", "refine": "refining"}
"""Stages that take long on a slide, as the table names them."""


class BatchInputs(QWidget):
    """Edits a list of inputs; during and after a batch, the list shows its images.

    A renamed layer gets its new name in the list, and a deleted layer leaves it. A running batch and the rows
    of its images do not change.

    Parameters
    ----------
    viewer : napari.Viewer
        Its image layers can be added.
    """

    valueChanged = Signal()
    opened = Signal(object)
    """The entry of a double-clicked row."""
    warningsRequested = Signal(object)
    """The entry whose number of warnings was double-clicked."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._inputs: list[Path | Any] = []
        self._of_run = False
        self._items = ItemTable(self)
        self._items.opened.connect(self.opened)
        self._items.warningsRequested.connect(self.warningsRequested)
        events = viewer.layers.events
        self._follower = Follower(self, "follow_layers", (events.removed, events.renamed))
        row = QGridLayout()
        for i, (text, tip, slot) in enumerate(
            (
                ("Files...", "Add image files, slides and stacks", self._ask_files),
                ("Folder...", "Add a folder and its subfolders", self._ask_folder),
                ("Layers", "Add the selected image layers, or all of them", self._add_layers),
                ("Remove", "Remove the selected rows", self._remove),
            )
        ):
            edit = button(text, tip, slot, self, name=tip)
            edit.setStyleSheet("QPushButton { padding: 3px; }")
            row.addWidget(edit, 0, i)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self._items, 1)

    def value(self) -> list[Path | LayerInput]:
        """Files, folders, and layers in their current state, in the order of the list."""
        return [one if isinstance(one, Path) else layer_input(one) for one in self._inputs]

    def isEmpty(self) -> bool:
        return not self._inputs

    def addPaths(self, paths: list[str]) -> None:
        """Add image files, stacks and folders."""
        self._inputs += [path for path in dict.fromkeys(map(Path, paths)) if path not in self._inputs]
        self._show()

    def addLayer(self, layer: Any) -> None:
        """Add an image layer of the viewer with all its planes; of a large slide its file."""
        slide = read_from_file(layer)
        if slide is not None and is_large(slide):
            self.addPaths([str(slide.path)])
            return
        if layer not in self._inputs:
            self._inputs.append(layer)
        self._show()

    def follow_layers(self) -> None:
        """Follow a renamed or deleted layer."""
        before = self._inputs
        self._inputs = [one for one in before if isinstance(one, Path) or one in self._viewer.layers]
        if not self._of_run:
            self._show()
        elif self._inputs != before:
            self.valueChanged.emit()

    def items(self) -> ItemTable:
        """The table."""
        return self._items

    def showImages(self, items: Sequence[tuple[str, str]]) -> None:
        """Show the images of a batch by key and name, until the inputs are edited."""
        self._of_run = True
        self._items.showItems(items)

    def showEntry(self, entry: Entry) -> None:
        """Show the state of one image."""
        self._items.showEntry(entry)

    def showProgress(self, event: Event) -> None:
        """Show how far the image or slide is that is being segmented."""
        words = _STAGES.get(key_of(event.stage))
        if words is not None and event.total > 1:
            self._items.showProgress(f"{words} {100 * event.done // event.total} %")

    def showStopped(self) -> None:
        """Show that no image is being segmented any more: one that was waits again."""
        for entry in self._items.entries():
            if entry.state == "running":
                self.showEntry(replace(entry, state="waiting"))

    def _show(self) -> None:
        self._of_run = False
        self._items.showItems([(_key(given), _name(given)) for given in self._inputs])
        self.valueChanged.emit()

    def _ask_files(self, *_: object) -> None:
        suffixes = sorted(f"*{suffix}" for suffix in IMAGE_SUFFIXES | SLIDE_SUFFIXES)
        kinds = f"Images and slides ({' '.join(suffixes)});;All files (*)"
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
        """Remove the selected rows; after a run the list shows the inputs again."""
        keys = self._items.selectedKeys()
        self._inputs = [given for given in self._inputs if _key(given) not in keys]
        self._show()


def _key(given: Path | Any) -> str:
    """As in the ledger of a run."""
    return shown(given if isinstance(given, Path) else given.name)


def _name(given: Path | Any) -> str:
    planes = 1 if isinstance(given, Path) else prod(layer_shape(given)[:-2])
    name = shown(given.name)
    return f"{name} ({planes} planes)" if planes > 1 else name
