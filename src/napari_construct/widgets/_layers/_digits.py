"""Digit keys choose the class to paint with."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from napari.layers import Labels

_PAINTING: Final = {"paint", "fill", "polygon"}


def bind_digits(layer: Labels, classes: int) -> None:
    """While a tool that paints is in hand, 1 to 9 choose the class; else they choose tools, as in napari."""
    for value in range(1, min(classes, 9) + 1):
        layer.bind_key(str(value), partial(_on_digit, value=value), overwrite=True)


def _on_digit(layer: Labels, *, value: int) -> Any:
    if str(layer.mode) in _PAINTING:
        layer.selected_label = value
        return None
    usual = next((f for key, f in Labels.class_keymap.items() if str(key) == str(value)), None)
    return None if usual is None else usual(layer)
