"""Chooses a model: a bundled one, an imported one, or a checkpoint file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QWidget

from napari_construct.models.checkpoints.locations import SUFFIX, bundled_models, imported_models
from napari_construct.reading.places import is_file
from napari_construct.widgets.fields.controls import button, named, narrow, plain_tip, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.fields.message_label import breakable

_TIP: Final = "The trained model. Its classes are listed below"


class _Combo(QComboBox):
    """Emits a signal before its list opens, so that the list can be updated."""

    aboutToShow = Signal()

    def showPopup(self) -> None:
        self.aboutToShow.emit()
        super().showPopup()


class ModelChooser(QWidget):
    """Edits the name of a bundled or imported model, or the path of a checkpoint."""

    valueChanged = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._combo = self._build_combo()
        self._about = wrapped_label("About the model", "Facts about the model", self)
        self._about.hide()
        tip = f"Choose a checkpoint file ({SUFFIX})"
        row = QHBoxLayout()
        row.addWidget(self._combo, 1)
        row.addWidget(button("Open...", tip, self.openFile, self, name="Open a checkpoint"))
        stacked(self, row, self._about)

    def value(self) -> str:
        """Name of a model on this computer, or a path; empty if there is none."""
        data = self._combo.currentData()
        return "" if data is None else str(data)

    def setValue(self, model: str) -> None:
        """Choose a model; a path is added to the list."""
        index = self._combo.findData(model)
        if index < 0:
            self._combo.addItem(Path(model).name, model)
            index = self._combo.count() - 1
            self._combo.setItemData(index, plain_tip(model), Qt.ItemDataRole.ToolTipRole)
        self._combo.setCurrentIndex(index)

    def describe(self, text: str) -> None:
        """Show a line about the chosen model under the list."""
        self._about.setText(breakable(text))
        self._about.setVisible(bool(text))

    def refresh(self) -> None:
        """Add models that were imported, and drop those that were removed."""
        names = model_names()
        gone = [i for i in range(self._combo.count()) if self._is_gone(i, names)]
        blocked = self._combo.blockSignals(True)
        for i in reversed(gone):
            self._combo.removeItem(i)
        for name in names:
            if self._combo.findData(name) < 0:
                self._combo.addItem(name, name)
        self._combo.blockSignals(blocked)

    def _is_gone(self, index: int, names: list[str]) -> bool:
        model = str(self._combo.itemData(index))
        return index != self._combo.currentIndex() and model not in names and not is_file(model)

    def openFile(self, *_: object) -> None:
        """Ask for a checkpoint file."""
        path, _ = QFileDialog.getOpenFileName(self, "Open a checkpoint", "", f"Checkpoints (*{SUFFIX})")
        if path:
            self.setValue(path)

    def _build_combo(self) -> _Combo:
        combo = named(_Combo(self), "Model", _TIP)
        narrow(combo, 6)
        for name in model_names():
            combo.addItem(name, name)
        combo.currentIndexChanged.connect(self._on_index)
        combo.aboutToShow.connect(self.refresh)
        return combo

    def _on_index(self, *_: object) -> None:
        self._combo.setToolTip(plain_tip(self.value() or _TIP))
        self.describe("")
        self.valueChanged.emit(self.value())


def model_names() -> list[str]:
    """Names of the models on this computer, bundled ones first."""
    return list(dict.fromkeys([*bundled_models(), *imported_models()]))
