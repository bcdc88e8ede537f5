"""Chooses a model: trained ones, and image-text encoders that need no training."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QInputDialog, QWidget

from napari_construct.encoders.catalogue.overview import EncoderStatus, readable_overview
from napari_construct.events import Event, Steps
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.parts.model_chooser import ModelChooser

ZERO_SHOT: Final = "zero-shot:"
"""Start of the value of a model without training; the id of its encoder follows."""

_ASK: Final = "another"
_ASK_TEXT: Final = "Another image-text encoder..."
_FORM: Final = "open_clip:hf-hub:OWNER/NAME, or open_clip:local-dir:/FOLDER"
_HOW: Final = "zero-shot, no training"
_TIP_ROLE: Final = Qt.ItemDataRole.ToolTipRole


class WordsModelChooser(ModelChooser):
    """Also offers ``zero-shot:ENCODER`` for each image-text encoder.

    A thread looks for the encoders: the first look at the hub's cache takes long.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._before = self._combo.currentIndex()
        self._changed = False
        self._look = LiveJob("Look for image-text encoders", self)
        self._look.returned.connect(self._on_listed)
        self._combo.activated.connect(self._on_activated)

    def encoder(self) -> str:
        """Id of the encoder of a model without training; empty for a trained one."""
        return self.value().removeprefix(ZERO_SHOT) if self.value().startswith(ZERO_SHOT) else ""

    def value(self) -> str:
        return "" if super().value() == _ASK else super().value()

    def setValue(self, model: str) -> None:
        if model.startswith(ZERO_SHOT) and self._combo.findData(model) < 0:
            self._offer(model, f"{_short(model)}: {_HOW}", model.removeprefix(ZERO_SHOT))
        super().setValue(model)
        self._changed = False

    def refresh(self) -> None:
        super().refresh()
        self.look()

    def look(self) -> None:
        """Update the encoders in the list, in the background."""
        self._look.request(text_encoder_steps)

    def askEncoder(self) -> None:
        """Ask for the id of another encoder."""
        text, agreed = QInputDialog.getText(self, _ASK_TEXT.rstrip("."), f"Id of the encoder: {_FORM}")
        if agreed and text.strip():
            self.setValue(f"{ZERO_SHOT}{text.strip()}")
        else:
            self._combo.setCurrentIndex(self._before)

    def _is_gone(self, index: int) -> bool:
        model = str(self._combo.itemData(index))
        return not model.startswith(ZERO_SHOT) and model != _ASK and super()._is_gone(index)

    def _add(self, model: str) -> None:
        found = [i for i in range(self._combo.count()) if _is_other(str(self._combo.itemData(i)))]
        index = found[0] if found else self._combo.count()
        self._combo.insertItem(index, Path(model).name, model)
        self._describe_item(index)

    def _on_index(self, *_: object) -> None:
        if self._combo.currentData() != _ASK:
            self._before, self._changed = self._combo.currentIndex(), True
            super()._on_index()

    def _on_activated(self, *_: object) -> None:
        if self._combo.currentData() == _ASK:
            self.askEncoder()
        elif not self._changed:  # chosen again: a missing encoder may be here now
            super()._on_index()
        self._changed = False

    def _on_listed(self, found: tuple[EncoderStatus, ...]) -> None:
        for status in found:
            entry = status.entry
            here = status.state in ("installed", "bundled")
            model = f"{ZERO_SHOT}{entry.id}"
            how = _HOW if here else "zero-shot (not installed)"
            get = "" if here else "\nNot on this computer. Download it in Models."
            licence = f"Licence {entry.licence}. {entry.licence_terms}"
            self._offer(model, f"{_short(model)}: {how}", f"{entry.id}: {entry.note}\n{licence}{get}")
        self._offer(_ASK, _ASK_TEXT, f"Any image-text model with a ViT: {_FORM}")

    def _offer(self, model: str, text: str, tip: str) -> None:
        """Add or update an item."""
        index = self._combo.findData(model)
        if index < 0:
            index = self._combo.findData(_ASK)  # this item stays the last
            index = self._combo.count() if index < 0 else index
            blocked = self._combo.blockSignals(True)
            self._combo.insertItem(index, text, model)
            self._combo.blockSignals(blocked)
        self._combo.setItemText(index, text)
        self._combo.setItemData(index, tip, _TIP_ROLE)


def _is_other(model: str) -> bool:
    """Whether an item is no trained model."""
    return model.startswith(ZERO_SHOT) or model == _ASK


def text_encoder_steps() -> Steps[tuple[EncoderStatus, ...]]:
    """Find the image-text encoders; those on this computer come first."""
    yield Event("looking", 0, 1)
    found, _ = readable_overview()
    shown = [s for s in found if s.entry.text and s.entry.role == "student" and not s.entry.family]
    return tuple(sorted(shown, key=lambda status: status.state not in ("installed", "bundled")))


def _short(model: str) -> str:
    """The last part of an id."""
    name = model.removeprefix(ZERO_SHOT)
    last = name.rpartition(":")[2]
    return Path(last).name if "local-dir:" in name else last
