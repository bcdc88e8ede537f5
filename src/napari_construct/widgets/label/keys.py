"""The keys with which patches are labelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent, QKeySequence

DIGITS: Final = 9
"""Classes that have a key."""

HELP: Final = (
    "Keys: 1 to 9 classes, 0 none of them, Enter or Right next, Backspace or Left back, N next without a "
    "label, Ctrl+Z undo."
)


@dataclass(frozen=True, slots=True)
class Action:
    """What a key does.

    Attributes
    ----------
    kind : str
        What.
    tissue : int
        Of "class": which, from 0.
    repeats : bool
        Whether a held key does it again and again.
    """

    kind: Literal["class", "none", "next", "back", "first", "last", "unlabelled", "undo", "redo"]
    tissue: int = -1
    repeats: bool = False


_PLAIN: Final = {
    Qt.Key.Key_Return: Action("next", repeats=True),
    Qt.Key.Key_Enter: Action("next", repeats=True),
    Qt.Key.Key_Right: Action("next", repeats=True),
    Qt.Key.Key_Backspace: Action("back", repeats=True),
    Qt.Key.Key_Left: Action("back", repeats=True),
    Qt.Key.Key_Home: Action("first"),
    Qt.Key.Key_End: Action("last"),
    Qt.Key.Key_N: Action("unlabelled"),
}


def action_of(event: QKeyEvent) -> Action | None:
    """What a key does in the gallery; None for keys that belong to others."""
    if event.matches(QKeySequence.StandardKey.Undo):
        return Action("undo", repeats=True)
    if event.matches(QKeySequence.StandardKey.Redo) or _is_ctrl_y(event):
        return Action("redo", repeats=True)
    held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    digit = _digit(event)
    # on some keyboards digits need Shift
    if digit is not None and held in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier):
        return Action("none") if digit == 0 else Action("class", digit - 1)
    return _PLAIN.get(Qt.Key(event.key())) if held == Qt.KeyboardModifier.NoModifier else None


def _digit(event: QKeyEvent) -> int | None:
    text = event.text()
    if len(text) == 1 and text in "0123456789":
        return int(text)
    number = int(event.key()) - int(Qt.Key.Key_0)
    return number if 0 <= number <= DIGITS and not text.strip() else None


def _is_ctrl_y(event: QKeyEvent) -> bool:
    return event.key() == Qt.Key.Key_Y and event.modifiers() == Qt.KeyboardModifier.ControlModifier
