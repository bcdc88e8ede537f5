"""Digit keys choose the class to paint with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from napari.layers import Labels

_PAINTING: Final = {"paint", "fill", "polygon"}


def bind_digits(layer: Labels, classes: int) -> None:
    """While a tool that paints is in hand, 1 to 9 choose the class; else they choose tools, as in napari."""
    for value in range(1, min(classes, 9) + 1):
        layer.bind_key(str(value), _chooser(value), overwrite=True)


def _chooser(value: int) -> Callable[[Labels], Any]:
    """What a digit does.

    A function and no ``partial``: napari reads the names of everything bound on a layer at every key, and
    without one no key of the layer does anything.
    """

    def choose_class(layer: Labels) -> Any:
        if str(layer.mode) in _PAINTING:
            layer.selected_label = value
            return None
        usual = next((f for key, f in Labels.class_keymap.items() if str(key) == str(value)), None)
        return None if usual is None else usual(layer)

    return choose_class
