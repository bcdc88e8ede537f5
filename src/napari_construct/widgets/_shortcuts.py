"""Keys of the dock widgets; each counts while its dock has the focus, and stands in its button's tooltip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut, QWidget

RUN_KEY: Final = "Ctrl+Return"
CANCEL_KEY: Final = "Ctrl+Backspace"
BEFORE_KEY: Final = "Alt+B"


def shortcut(widget: QWidget, key: str, slot: Callable[..., object]) -> None:
    """Call a slot when a key is pressed in a widget or in anything inside it."""
    made = QShortcut(QKeySequence(key), widget)
    made.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    made.activated.connect(slot)


def in_native(key: str) -> str:
    """A key as this system writes it."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
