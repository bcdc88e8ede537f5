"""Asks for the pixel size of an image whose layer and file state none."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QWidget

from napari_construct.widgets.fields.controls import button, named, wrapped_label
from napari_construct.widgets.fields.fields import NumberField
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.layers import PixelSize, give_size, pixel_size

_USUAL: Final = ((0.25, "0.25 (40x)"), (0.5, "0.5 (20x)"), (1.0, "1.0 (10x)"))
_OTHER: Final = "other"


class PixelSizeRow(QWidget):
    """Gives a layer its pixel size, and offers it for other images of the same folder.

    It is hidden while the size is known. The layer keeps what was given; other docks see it there.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layer: Any = None
        self._model_mpp: float | None = None
        self._by_folder: dict[Path, tuple[float, str]] = {}
        tip = "Neither the layer nor its file states how large a pixel is"
        self._words = wrapped_label("Pixel size of the image", tip, self)
        self._buttons = [self._build_button(mpp, words) for mpp, words in _USUAL]
        self._beside = self._build_button(None, "")
        self._other = self._build_other()
        self._change = button("Change", "Choose another pixel size", self._on_change, self)
        self._change.setAccessibleName("Change the pixel size")
        said, sizes = QHBoxLayout(), QGridLayout()
        said.addWidget(self._words, 1)
        said.addWidget(self._change)
        for i, control in enumerate((*self._buttons, self._other)):
            sizes.addWidget(control, i // 2, i % 2)
            sizes.setColumnStretch(i % 2, 1)
        sizes.setSpacing(3)
        stacked(self, said, self._beside, sizes).setSpacing(3)
        self.hide()

    def showLayer(self, layer: Any, *, overruled: bool = False) -> None:
        """Ask for the size of a layer, unless it is known or ``overruled`` by an option."""
        self._layer = layer
        size = PixelSize(None) if layer is None else pixel_size(layer)
        if size.given and size.mpp is not None and (folder := _folder(layer)) is not None:
            self._by_folder[folder] = size.mpp, layer.name
        asks = size.mpp is None
        self.setVisible(layer is not None and not overruled and (asks or size.given))
        self._change.setVisible(not asks)
        self._ask(visible=asks)
        if asks:
            own = "" if self._model_mpp is None else f" (now {self._model_mpp:.4g}, the model's own)"
            self._words.setText(f"Pixel size unknown{own}. Choose it in µm:")
        else:
            self._words.setText(f"Pixel size {size.mpp:.4g} µm, as you chose")

    def showModel(self, mpp: float | None) -> None:
        """What an unknown size is taken for."""
        self._model_mpp = mpp

    def _ask(self, *, visible: bool) -> None:
        folder = _folder(self._layer)
        beside = None if folder is None else self._by_folder.get(folder)
        for control in (*self._buttons, self._other):
            control.setVisible(visible)
        self._beside.setVisible(visible and beside is not None)
        if beside is not None:
            mpp, name = beside
            self._beside.setText(f"{mpp:.4g}, as {name}".replace("&", "&&"))
            self._beside.setProperty("mpp", mpp)
            self._beside.setAccessibleName(f"Pixel size {mpp:.4g} µm, as {name}")

    def _build_button(self, mpp: float | None, words: str) -> QPushButton:
        tip = "Pixels of this image are this large. The layer keeps it in this session"
        made = button(words, tip, self._on_button, self, name=f"Pixel size {words}")
        made.setStyleSheet("QPushButton { padding: 3px; }")
        made.setProperty("mpp", mpp)
        return made

    def _build_other(self) -> NumberField:
        field = NumberField(0, 100, 0.05, 4, none_text=_OTHER, parent=self)
        field.setButtonSymbols(NumberField.ButtonSymbols.NoButtons)
        field.setMinimumWidth(50)
        field.edited.connect(self._on_other)
        return named(field, "Other pixel size", "Micrometres per pixel of this image")

    def _on_button(self, *_: object) -> None:
        sender = self.sender()
        if sender is not None:
            self._give(float(sender.property("mpp")))

    def _on_other(self) -> None:
        value = self._other.get()
        if value is not None:
            self._other.put(None)
            self._give(float(value))

    def _on_change(self, *_: object) -> None:
        self._give(None)

    def _give(self, mpp: float | None) -> None:
        if self._layer is not None:
            give_size(self._layer, mpp)  # its event leads back to showLayer


def _folder(layer: Any) -> Path | None:
    path = None if layer is None else layer.source.path
    return None if path is None else Path(str(path)).parent
