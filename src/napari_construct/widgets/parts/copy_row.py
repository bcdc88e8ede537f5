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
    python, command : callable
        Recipes, of which :attr:`requested` tells one.
    tip : str
        What the buttons do; ``{}`` stands for the language.
    """

    requested = Signal(object)
    """The recipe of the button that was pressed."""

    def __init__(
        self, python: Recipe, command: Recipe, parent: QWidget | None = None, tip: str = TIP
    ) -> None:
        super().__init__(parent)
        self._python, self._command = python, command
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Copy as", self))
        for text, slot in (("Python", self._on_python), ("Command line", self._on_command)):
            button = QPushButton(text, self)
            button.setToolTip(tip.format(text))
            button.setAccessibleName(f"Copy as {text}")
            button.clicked.connect(slot)
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

    def _on_python(self, *_: object) -> None:
        self.requested.emit(self._python)

    def _on_command(self, *_: object) -> None:
        self.requested.emit(self._command)
