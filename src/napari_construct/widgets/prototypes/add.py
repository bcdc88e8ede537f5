"""Adds a prototype from a description or a painted region; uses or saves the changed model."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QGridLayout, QLabel, QWidget

from napari_construct.widgets.fields.controls import button, line_edit, named, narrow, plain_tip
from napari_construct.widgets.parts.layer_chooser import LayerChooser
from napari_construct.widgets.prototypes.layers import can_be_painted

_TEXT_TIP: Final = "Description of the class. Separate several descriptions by |"


class AddBox(QWidget):
    """Requests a new prototype, or that the changed model is used or saved."""

    wordsRequested = Signal(str, str)
    """Class and description."""
    regionRequested = Signal(str, object)
    """Class and painted layer."""
    forgetRequested = Signal()
    useRequested = Signal()
    saveRequested = Signal(str)
    """Path of the checkpoint."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words_problem = ""
        self._tissue = named(QComboBox(self), "Class of the new prototype", "The class of the new prototype")
        narrow(self._tissue)
        hint = "e.g. solid nests of atypical cells"
        self._text = line_edit("Description of the new prototype", _TEXT_TIP, self, hint)
        tip = "A labels or shapes layer with a painted example of the class"
        self._layer = named(LayerChooser(viewer, self, accepts=can_be_painted), "Painted layer", tip)
        self._layer.setMinimumContentsLength(4)
        tip = "Add a prototype from this description"
        self._add_words = button("Add", tip, self._on_words, self, name="Add from description")
        tip = "Add a prototype from the painted region"
        self._add_region = button("Add", tip, self._on_region, self, name="Add from region")
        tip = "Remove the chosen prototype. Only an added prototype can be removed"
        self._forget = button("Remove prototype", tip, self.forgetRequested, self)
        tip = "Save the changed model and open it in Segment"
        self._use = button("Use", tip, self.useRequested, self, name="Use the changed model")
        self._save = button("Save as...", "Save the changed model as a checkpoint", self._on_save, self)
        self._lay_out()
        self._layer.layerChanged.connect(self.refresh)
        self._text.textChanged.connect(self.refresh)
        self.refresh()

    def showModel(self, classes: tuple[str, ...], words_problem: str) -> None:
        """Offer the classes of a model, and descriptions if its encoder has text."""
        chosen = self._tissue.currentText()
        self._tissue.clear()
        self._tissue.addItems(list(classes))
        self._tissue.setCurrentIndex(max(self._tissue.findText(chosen), 0))
        self._words_problem = words_problem
        self._text.setEnabled(not words_problem)
        self._text.setToolTip(plain_tip(words_problem or _TEXT_TIP))
        self.refresh()

    def showChosen(self, *, placed: bool, changed: bool) -> None:
        """Enable the buttons for an added prototype and for a changed model."""
        self._forget.setEnabled(placed)
        self._use.setEnabled(changed)
        self._save.setEnabled(changed)

    def setTissue(self, tissue: str) -> None:
        self._tissue.setCurrentText(tissue)

    def setText(self, text: str) -> None:
        self._text.setText(text)

    def setLayer(self, layer: Any) -> None:
        self._layer.setLayer(layer)

    def refresh(self, *_: object) -> None:
        """Enable the possible requests."""
        known = self._tissue.count() > 0
        self._add_words.setEnabled(known and not self._words_problem and bool(self._text.text().strip()))
        self._add_region.setEnabled(known and self._layer.layer() is not None)

    def _on_words(self, *_: object) -> None:
        self.wordsRequested.emit(self._tissue.currentText(), self._text.text().strip())

    def _on_region(self, *_: object) -> None:
        self.regionRequested.emit(self._tissue.currentText(), self._layer.layer())

    def _on_save(self, *_: object) -> None:
        kinds = "Checkpoints (*.construct)"
        path, _kind = QFileDialog.getSaveFileName(self, "Save the changed model", "", kinds)
        if path:
            self.saveRequested.emit(path)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        rows = (("Class", self._tissue, None), ("Text", self._text, self._add_words),
                ("Region", self._layer, self._add_region))  # fmt: skip
        for line, (name, field, add) in enumerate(rows):
            grid.addWidget(QLabel(name, self), line, 0)
            grid.addWidget(field, line, 1, 1, 1 if add is not None else 2)
            if add is not None:
                grid.addWidget(add, line, 2)
        grid.addWidget(self._forget, 3, 0, 1, 3)
        grid.addWidget(self._use, 4, 0, 1, 2)
        grid.addWidget(self._save, 4, 2)
        grid.setColumnStretch(1, 1)
