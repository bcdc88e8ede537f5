"""The controls of a new layer, made in one turn of the event loop and put into the window in another.

Making them takes 15 ms and more; to give them the window's style and to lay it out again takes as long.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from qtpy.QtWidgets import QWidget

_MODULE: Final = "napari._qt.layer_controls.qt_layer_controls_container"
_FUNCTION: Final = "create_qt_layer_controls"


class LayerControls:
    """Makes the controls of a layer, and hands them to napari when it asks for them.

    A napari that makes them elsewhere makes them itself.
    """

    def __init__(self, layer: Any, window: QWidget) -> None:
        self._layer, self._window = layer, window
        self._made: Any = None

    def make(self) -> None:
        """Make them; what goes wrong goes wrong again when napari does it, and is told then."""
        with suppress(Exception):
            self._made = getattr(sys.modules[_MODULE], _FUNCTION)(self._layer)
            self._window.destroyed.connect(self._made.deleteLater)

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """Whoever makes controls of this layer within is given those that were made."""
        if self._made is None:
            yield
            return
        module = sys.modules[_MODULE]
        create = getattr(module, _FUNCTION)
        setattr(module, _FUNCTION, lambda layer: self._taken(layer) or create(layer))
        try:
            yield
        finally:
            setattr(module, _FUNCTION, create)

    def drop(self) -> None:
        """Let go of what nobody asked for."""
        if (made := self._taken(self._layer)) is not None:
            made.deleteLater()

    def _taken(self, layer: Any) -> Any:
        """The controls, once, and only for their layer."""
        if self._made is None or layer is not self._layer:
            return None
        made, self._made = self._made, None
        self._window.destroyed.disconnect(made.deleteLater)
        return made
