"""The same run as text: two buttons at the foot of a widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QApplication, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_construct.exceptions import ConstructError
from napari_construct.widgets.fields.message_label import Level, plain

TIP: Final = "Copy this run as {}: pasted back it gives identical arrays"

Recipe = Callable[..., str]
"""From what a run is made of to its text."""


class CopyRow(QWidget):
    """Asks for the run as Python or as a command line; whoever is asked calls :meth:`copy`.

    Parameters
    ----------
    tip : str
        What the buttons do; ``{}`` stands for the language.
    """

    pythonRequested = Signal()
    commandRequested = Signal()

    def __init__(self, parent: QWidget | None = None, tip: str = TIP) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Copy as", self))
        asked = (("Python", self.pythonRequested), ("Command line", self.commandRequested))
        for text, signal in asked:
            button = QPushButton(text, self)
            button.setToolTip(tip.format(text))
            button.setAccessibleName(f"Copy as {text}")
            button.clicked.connect(signal)
            layout.addWidget(button, 1)

    def copy(self, make: Callable[[], str], say: Callable[..., object]) -> None:
        """Copy what ``make`` returns, unless it is empty; ``say`` so, or why there is no text."""
        try:
            text = make()
        except (ConstructError, ValueError) as error:
            say(plain(error), Level.ERROR, error)
            return
        clipboard = QApplication.clipboard()
        if text and clipboard is not None:
            clipboard.setText(text)
            say("Copied to the clipboard.")
