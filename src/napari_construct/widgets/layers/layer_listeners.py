"""The parts of napari's window that show a new layer, told of it one a turn of the event loop.

A layer that comes into the list is drawn by one part of the window (15 to 35 ms) and gets its controls from
another (30 to 50 ms), both in the same turn. Here they are passed over when the layer is inserted and told
afterwards, each by itself, the controls being made before. Whatever else happens to the list meanwhile first
lets them catch up, so that nobody is asked for a layer that he was never told of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from napari.utils.events import EventEmitter
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.layers.layer_controls import LayerControls

Listener = Callable[..., None]


class WindowListeners:
    """Those that listen to insertions into a list of layers and are widgets, and are to be told of one layer.

    A napari whose emitters do not tell who listens has none, and tells them itself within the insertion.
    """

    def __init__(self, layers: Any, layer: Any, window: QWidget) -> None:
        self._layers, self._layer = layers, layer
        self._controls = LayerControls(layer, window)
        self._untold: deque[Listener] = deque()
        self._count = len(self._found())
        self._others = [getattr(layers.events, name) for name in ("inserting", "removing", "reordered")]
        self._others.append(layers.selection.events.changed)

    def turns(self) -> Iterator[Callable[[], object]]:
        """Steps that tell all of them, each in a turn of its own."""
        yield self.make_controls
        yield from (self.tell_next for _ in range(self._count - 1))
        yield self.tell_all

    @contextmanager
    def passed_over(self) -> Iterator[None]:
        """Insert the layer within; :meth:`turns` make up for it."""
        inserted = self._layers.events.inserted
        found = self._found()
        for method in found:
            inserted.block(method)
        try:
            yield
        finally:
            for method in found:
                inserted.unblock(method)
        self._untold.extend(found)
        for other in self._others:
            other.connect(self.tell_all, position="first")

    def make_controls(self) -> None:
        """Make the controls of the layer, unless all are told already."""
        if self._untold:
            self._controls.make()

    def tell_next(self, *_: object) -> bool:
        """Tell one; returns whether there are more."""
        if self._untold:
            emitter = EventEmitter(source=self._layers, type_name="inserted")
            emitter.connect(self._untold.popleft())  # it knows whether the event itself is wanted
            with self._controls.handed_over():
                emitter(index=self._layers.index(self._layer), value=self._layer)
        if not self._untold:
            self._controls.drop()
            for other in self._others:
                other.disconnect(self.tell_all)
        return bool(self._untold)

    def tell_all(self, *_: object) -> None:
        """Tell all, because something else happens to the list, or it is the last turn."""
        while self.tell_next():
            pass

    def _found(self) -> list[Listener]:
        methods = map(_method, getattr(self._layers.events.inserted, "callbacks", ()))
        return [method for method in methods if method is not None]


def _method(callback: Any) -> Listener | None:
    """What a napari emitter calls, where it is a widget's: it keeps a weak reference and a name."""
    if not isinstance(callback, tuple) or len(callback) != 2:
        return None
    owner = callback[0]()
    return getattr(owner, callback[1], None) if isinstance(owner, QWidget) else None
