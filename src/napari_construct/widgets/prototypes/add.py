"""One prototype more: from words or from a painted region; and what to do with the changed model."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QGridLayout, QLabel, QLineEdit, QPushButton, QWidget

from napari_construct.widgets.parts.layer_chooser import LayerChooser
from napari_construct.widgets.prototypes.layers import can_be_painted


class AddBox(QWidget):
    """Asks for a prototype, or for the changed model to be used or saved."""

    wordsRequested = Signal(str, str)
    """Class and words."""
    regionRequested = Signal(str, object)
    """Class and painted layer."""
    forgetRequested = Signal()
    useRequested = Signal()
    saveRequested = Signal(str)
    """Path of the checkpoint."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words_problem = ""
        self._tissue = QComboBox(self)
        self._tissue.setToolTip("The class that gets the new prototype")
        self._tissue.setAccessibleName("Class of the new prototype")
        self._tissue.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._text = QLineEdit(self)
        self._text.setPlaceholderText("e.g. solid nests of atypical cells")
        self._text.setToolTip("What the class may look like; several descriptions are separated by |")
        self._text.setAccessibleName("Words for the new prototype")
        self._text.setMinimumWidth(60)
        self._layer = LayerChooser(viewer, self, accepts=can_be_painted)
        self._layer.setToolTip("A labels or shapes layer on which an example of the class is painted")
        self._layer.setAccessibleName("Painted layer")
        self._layer.setMinimumContentsLength(4)
        self._add_words = self._button("Add", "Place a prototype from these words", "Add from words")
        self._add_region = self._button("Add", "Place a prototype from what is painted", "Add from region")
        self._forget = self._button("Take away", "Take the chosen prototype away, if it was placed")
        self._use = self._button(
            "Use", "Keep the changed model and put it into Segment tissue", "Use the changed model"
        )
        self._save = self._button("Save as...", "Save the changed model as a checkpoint")
        self._lay_out()
        self._add_words.clicked.connect(self._on_words)
        self._add_region.clicked.connect(self._on_region)
        self._forget.clicked.connect(self._on_forget)
        self._use.clicked.connect(self._on_use)
        self._save.clicked.connect(self._on_save)
        self._layer.layerChanged.connect(self._on_layer)
        self._text.textChanged.connect(self._on_layer)
        self.refresh()

    def showModel(self, classes: tuple[str, ...], words_problem: str) -> None:
        """Offer the classes of a model, and words where its encoder knows them."""
        chosen = self._tissue.currentText()
        self._tissue.clear()
        self._tissue.addItems(list(classes))
        self._tissue.setCurrentIndex(max(self._tissue.findText(chosen), 0))
        self._words_problem = words_problem
        self._text.setEnabled(not words_problem)
        self._text.setToolTip(words_problem or "What the class may look like; several are separated by |")
        self.refresh()

    def showChosen(self, *, placed: bool, changed: bool) -> None:
        """Only what was placed can be taken away, only a changed model is worth saving."""
        self._forget.setEnabled(placed)
        self._use.setEnabled(changed)
        self._save.setEnabled(changed)

    def setTissue(self, tissue: str) -> None:
        self._tissue.setCurrentText(tissue)

    def setText(self, text: str) -> None:
        self._text.setText(text)

    def setLayer(self, layer: Any) -> None:
        self._layer.setLayer(layer)

    def refresh(self) -> None:
        """Enable what can be asked for."""
        known = self._tissue.count() > 0
        self._add_words.setEnabled(known and not self._words_problem and bool(self._text.text().strip()))
        self._add_region.setEnabled(known and self._layer.layer() is not None)

    def _on_layer(self, *_: object) -> None:
        self.refresh()

    def _on_words(self, *_: object) -> None:
        self.wordsRequested.emit(self._tissue.currentText(), self._text.text().strip())

    def _on_region(self, *_: object) -> None:
        self.regionRequested.emit(self._tissue.currentText(), self._layer.layer())

    def _on_forget(self, *_: object) -> None:
        self.forgetRequested.emit()

    def _on_use(self, *_: object) -> None:
        self.useRequested.emit()

    def _on_save(self, *_: object) -> None:
        kinds = "Checkpoints (*.construct)"
        path, _kind = QFileDialog.getSaveFileName(self, "Save the changed model", "", kinds)
        if path:
            self.saveRequested.emit(path)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        rows = (("Class", self._tissue, None), ("Words", self._text, self._add_words),
                ("Painted", self._layer, self._add_region))  # fmt: skip
        for line, (name, field, button) in enumerate(rows):
            grid.addWidget(QLabel(name, self), line, 0)
            grid.addWidget(field, line, 1, 1, 1 if button is not None else 2)
            if button is not None:
                grid.addWidget(button, line, 2)
        grid.addWidget(self._forget, 3, 0, 1, 3)
        grid.addWidget(self._use, 4, 0, 1, 2)
        grid.addWidget(self._save, 4, 2)
        grid.setColumnStretch(1, 1)

    def _button(self, text: str, tip: str, name: str = "") -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.setAccessibleName(name or text)
        return button
