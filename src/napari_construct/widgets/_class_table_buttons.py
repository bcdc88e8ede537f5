"""Buttons below the class table."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget


def button_row(parent: QWidget, *buttons: tuple[str, Callable[..., None], str]) -> QWidget:
    """Buttons side by side: text, what is called, and the tooltip of each."""
    holder = QWidget(parent)
    row = QHBoxLayout(holder)
    row.setContentsMargins(0, 0, 0, 0)
    for text, slot, tip in buttons:
        button = QPushButton(text, holder)
        button.setToolTip(tip)
        button.setAccessibleName(f"{text.rstrip('.')}, class table")
        button.clicked.connect(slot)
        row.addWidget(button, 1)
    return holder
