"""Asks how large a pixel is: the usual sizes as buttons, and a field for others."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QWidget

from napari_construct.widgets.fields.controls import button, named, wrapped_label
from napari_construct.widgets.fields.fields import NumberField
from napari_construct.widgets.fields.layout import stacked

_USUAL: Final = {0.25: "40x", 0.5: "20x", 1.0: "10x"}
_OTHER: Final = "other"


class PixelSizeQuestion(QWidget):
    """A sentence on the pixel size, and the answers where it is not known; hidden at first.

    Parameters
    ----------
    tip : str
        Why it is asked.
    """

    answered = Signal(object)
    """Micrometres per pixel; None to be asked again."""

    def __init__(self, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = wrapped_label("Pixel size", tip, self)
        self._usual = [self._build_button(mpp, f"{mpp} ({lens})") for mpp, lens in _USUAL.items()]
        self._beside = self._build_button(None, "")
        self._other = self._build_other()
        self._change = button("Change", "Choose another pixel size", self._on_change, self)
        self._change.setAccessibleName("Change the pixel size")
        said, sizes = QHBoxLayout(), QGridLayout()
        said.addWidget(self._words, 1)
        said.addWidget(self._change)
        for i, control in enumerate((*self._usual, self._other)):
            sizes.addWidget(control, i // 2, i % 2)
            sizes.setColumnStretch(i % 2, 1)
        sizes.setSpacing(3)
        stacked(self, said, self._beside, sizes).setSpacing(3)
        self.hide()

    def ask(self, of: str, assumed: str = "", beside: tuple[float, str] | None = None) -> None:
        """Ask for the pixel size.

        Parameters
        ----------
        of : str
            Of what, such as " of the patches"; empty where it is plain.
        assumed : str
            What is taken for it without an answer.
        beside : tuple of float and str, optional
            A size to offer, and the name of what has it.
        """
        now = f" (now {assumed})" if assumed else ""
        self._show(f"Pixel size{of} unknown{now}. Choose it in µm:", asks=True, changes=False)
        self._beside.setVisible(beside is not None)
        if beside is not None:
            mpp, name = beside
            self._beside.setText(f"{mpp:.4g}, as {name}".replace("&", "&&"))
            self._beside.setProperty("mpp", mpp)
            self._beside.setAccessibleName(f"Pixel size {mpp:.4g} µm, as {name}")

    def tell(self, mpp: float, whence: str, *, changes: bool = False) -> None:
        """Say what the pixel size is and where it is from; with ``changes`` another can be chosen."""
        self._show(f"Pixel size {mpp:.4g} µm, {whence}", asks=False, changes=changes)

    def _show(self, words: str, *, asks: bool, changes: bool) -> None:
        self._words.setText(words)
        self._change.setVisible(changes)
        for control in (*self._usual, self._other, self._beside):
            control.setVisible(asks)
        self.show()

    def _build_button(self, mpp: float | None, words: str) -> QPushButton:
        tip = "Pixels are this large" + (f", as at {_USUAL[mpp]}" if mpp in _USUAL else "")
        made = button(words, tip, self._on_button, self, name=f"Pixel size {mpp} µm")
        made.setStyleSheet("QPushButton { padding: 3px; }")
        made.setProperty("mpp", mpp)
        return made

    def _build_other(self) -> NumberField:
        field = NumberField(0, 100, 0.05, 4, none_text=_OTHER, parent=self)
        field.setButtonSymbols(NumberField.ButtonSymbols.NoButtons)
        field.setMinimumWidth(50)
        field.edited.connect(self._on_other)
        return named(field, "Other pixel size", "Micrometres per pixel")

    def _on_button(self, *_: object) -> None:
        sender = self.sender()
        if sender is not None:
            self.answered.emit(float(sender.property("mpp")))

    def _on_other(self) -> None:
        value = self._other.get()
        if value is not None:
            self._other.put(None)
            self.answered.emit(float(value))

    def _on_change(self, *_: object) -> None:
        self.answered.emit(None)
