"""Passes events of a viewer on to a widget, for as long as the widget exists."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from functools import partial
from typing import Any

from qtpy.QtWidgets import QWidget


class Follower:
    """The connection belongs to neither: the viewer must not keep the widget alive, nor call a dead one.

    Parameters
    ----------
    widget : QWidget
        Whose method is called.
    method : str
        Its name; it is called without arguments.
    signals : iterable
        Event emitters of napari.
    """

    def __init__(self, widget: QWidget, method: str, signals: Iterable[Any]) -> None:
        self._widget = weakref.ref(widget)
        self._method = method
        # weakly: where a viewer and its widgets go in one collection, its emitters may be emptied before us
        self._signals = [weakref.ref(getattr(signal, "__wrapped__", signal)) for signal in signals]
        for signal in self._living():
            signal.connect(self.pass_on)
        widget.destroyed.connect(partial(Follower.stop, self))

    def pass_on(self) -> None:
        widget = self._widget()
        if widget is not None:
            getattr(widget, self._method)()

    def stop(self, *_: Any) -> None:
        for signal in self._living():
            signal.disconnect(self.pass_on)
        self._signals = []

    def _living(self) -> list[Any]:
        return [signal for signal in (reference() for reference in self._signals) if signal is not None]
