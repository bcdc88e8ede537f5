"""What tests of Teach paint, and how they wait."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_construct.widgets.teach.teach import Teach


def idle(qtbot: Any, widget: Teach) -> None:
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=120_000)


def strokes_of(qtbot: Any, viewer: Any, widget: Teach, name: str = "slide strokes") -> Any:
    """The layer of strokes that a click on the first class makes."""
    widget.box.classes.classClicked.emit(0)
    qtbot.waitUntil(lambda: name in viewer.layers, timeout=120_000)
    idle(qtbot, widget)
    return viewer.layers[name]


def stroke(layer: Any, value: int, row: int, column: int, height: int = 6, width: int = 24) -> None:
    """A stroke as the brush makes it: napari can take it back."""
    rows, columns = np.mgrid[row : row + height, column : column + width]
    layer.data_setitem((rows.ravel(), columns.ravel()), value)


def dark_and_bright(pixels: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """Corners of 6 x 24 px that are darkest and brightest."""
    grey = pixels.mean(2)
    blocks = grey[: 252 // 6 * 6, :240].reshape(42, 6, 10, 24).mean((1, 3))
    low = np.unravel_index(blocks.argmin(), blocks.shape)
    high = np.unravel_index(blocks.argmax(), blocks.shape)
    return (int(low[0]) * 6, int(low[1]) * 24), (int(high[0]) * 6, int(high[1]) * 24)


def press(layer: Any, key: str) -> None:
    """What a key does on a layer."""
    next(action for bound, action in layer.keymap.items() if str(bound) == key)(layer)
