"""What the pixel size of the patches is: said where it is known, asked where it is not."""

from __future__ import annotations

from functools import partial
from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_construct.data.stated_mpp import StatedMpp
from napari_construct.widgets.fields.controls import button, wrapped_label
from napari_construct.widgets.fields.layout import stacked

_USUAL: Final = (0.25, 0.5, 1.0)
_TIPS: Final = {0.25: "As at 40x", 0.5: "As at 20x", 1.0: "As at 10x"}


class PixelSizeQuestion(QWidget):
    """Asks for the pixel size of the patches; hidden where it is known or nothing is chosen."""

    answered = Signal(object)
    """Micrometres per pixel; None to type another number."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = (
            "The patches state no pixel size. With it, the model can segment images of any resolution; "
            "without it, only images of the same pixel size"
        )
        self._label = wrapped_label("Pixel size", tip, self)
        self._choices = QWidget(self)
        row = QHBoxLayout(self._choices)
        row.setContentsMargins(0, 0, 0, 0)
        for mpp in _USUAL:
            words = f"{mpp} µm"
            answer = button(words, _TIPS[mpp], partial(self._answer, mpp), self, name=f"Pixel size {words}")
            row.addWidget(answer)
        other = button("Other...", "Type the pixel size", partial(self._answer, None), self)
        other.setAccessibleName("Other pixel size")
        row.addWidget(other)
        stacked(self, self._label, self._choices)
        self.hide()

    def showKnown(self, found: StatedMpp | None, mpp: float | None) -> None:
        """Show where the pixel size comes from, or ask for it.

        Parameters
        ----------
        found : StatedMpp or None
            What the patches state.
        mpp : float or None
            The pixel size that is set.
        """
        if mpp is None:
            self._label.setText("Pixel size unknown. How large is a pixel of the patches?")
        elif found is not None and mpp == found.mpp:
            self._label.setText(f"Pixel size {mpp:.4g} µm, from {found.source}.")
        self._choices.setVisible(mpp is None)
        self.setVisible(mpp is None or (found is not None and mpp == found.mpp))

    def _answer(self, mpp: float | None, *_: object) -> None:
        self.answered.emit(mpp)
