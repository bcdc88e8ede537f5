"""Chooses a model: a bundled one, an imported one, or one of the user's own checkpoints."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QWidget

from napari_construct.models.checkpoints.locations import SUFFIX, bundled_models, imported_models
from napari_construct.reading.places import is_file
from napari_construct.widgets.fields.controls import button, named, narrow, plain_tip, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.fields.message_label import breakable
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.parts.known_models import KnownModel, models_steps, own_paths, remember_model

_TIP: Final = "The trained model. The line below says what it is for"
_ABOUT_TIP: Final = "What the model is for. Scores and limits are in Models"


class _Combo(QComboBox):
    """Emits a signal before its list opens, so that the list can be updated."""

    aboutToShow = Signal()

    def showPopup(self) -> None:
        self.aboutToShow.emit()
        super().showPopup()


class ModelChooser(QWidget):
    """Edits the name of a bundled or imported model, or the path of a checkpoint.

    A thread looks which models are there, where they can be used, and what they are for.
    """

    valueChanged = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._known: dict[str, KnownModel] = {}
        self._described = ""
        self._combo = self._build_combo()
        self._about = wrapped_label("About the model", _ABOUT_TIP, self)
        self._about.hide()
        self._models = LiveJob("Look for models", self)
        self._models.returned.connect(self._on_known)
        tip = f"Choose a checkpoint file ({SUFFIX})"
        row = QHBoxLayout()
        row.addWidget(self._combo, 1)
        row.addWidget(button("Open...", tip, self.openFile, self, name="Open a checkpoint"))
        stacked(self, row, self._about)
        self._models.request(partial(models_steps, own_paths()))

    def value(self) -> str:
        """Name of a model on this computer, or a path; empty if there is none."""
        data = self._combo.currentData()
        return "" if data is None else str(data)

    def setValue(self, model: str) -> None:
        """Choose a model; a path is added to the list, and offered in every chooser from now on."""
        if self._combo.findData(model) < 0:
            self._add(model)
            if is_file(model):
                remember_model(model)
        self._combo.setCurrentIndex(self._combo.findData(model))

    def describe(self, text: str) -> None:
        """Technical facts of the chosen model: on view where its purpose is not known, else as a tip."""
        self._described = text
        self._show_purpose()

    def refresh(self) -> None:
        """Add models that are new, and drop those that are gone or damaged."""
        self._models.request(partial(models_steps, own_paths()), now=True)

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self.refresh()

    def openFile(self, *_: object) -> None:
        """Ask for a checkpoint file."""
        path, _ = QFileDialog.getOpenFileName(self, "Open a checkpoint", "", f"Checkpoints (*{SUFFIX})")
        if path:
            self.setValue(path)

    def _is_gone(self, index: int) -> bool:
        """Whether an item is no usable model any more; the chosen one stays, and says what is wrong."""
        model = str(self._combo.itemData(index))
        known = self._known.get(model)
        return index != self._combo.currentIndex() and (
            not is_file(model) if known is None else not known.usable
        )

    def _on_known(self, found: tuple[KnownModel, ...]) -> None:
        self._known = {model.value: model for model in found}
        blocked = self._combo.blockSignals(True)
        for index in reversed(range(self._combo.count())):
            if self._is_gone(index):
                self._combo.removeItem(index)
        for model in found:
            if model.usable and self._combo.findData(model.value) < 0:
                self._add(model.value)
        for index in range(self._combo.count()):
            self._describe_item(index)
        self._combo.blockSignals(blocked)
        self._show_purpose()

    def _add(self, model: str) -> None:
        """Add an item; behind the trained models, before what else a subclass offers."""
        self._combo.addItem(Path(model).name, model)
        self._describe_item(self._combo.count() - 1)

    def _describe_item(self, index: int) -> None:
        model = str(self._combo.itemData(index))
        known = self._known.get(model)
        purpose = "" if known is None else known.summary.purpose
        path = model if known is None else str(known.path)
        if known is not None or is_file(model):
            tip = plain_tip("\n".join(filter(None, (purpose, path))))
            self._combo.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)

    def _build_combo(self) -> _Combo:
        combo = named(_Combo(self), "Model", _TIP)
        narrow(combo, 6)
        for name in bundled_models():
            combo.addItem(name, name)
        combo.currentIndexChanged.connect(self._on_index)
        combo.aboutToShow.connect(self.refresh)
        return combo

    def _on_index(self, *_: object) -> None:
        self._combo.setToolTip(plain_tip(self.value() or _TIP))
        self._described = ""
        self._show_purpose()
        self.refresh()
        self.valueChanged.emit(self.value())

    def _show_purpose(self) -> None:
        known = self._known.get(self.value())
        purpose = "" if known is None else known.summary.purpose
        facts = "" if known is None else str(known.path)
        self._about.setText(breakable(purpose or self._described))
        tip = "\n".join(filter(None, (self._described if purpose else "", facts))) or _ABOUT_TIP
        self._about.setToolTip(plain_tip(tip))
        self._about.setVisible(bool(purpose or self._described))


def model_names() -> list[str]:
    """Names of the models on this computer, bundled ones first."""
    return list(dict.fromkeys([*bundled_models(), *imported_models()]))
