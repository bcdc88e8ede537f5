"""Connects events of a viewer to a widget while the widget exists."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from functools import partial
from typing import Any

from qtpy.QtWidgets import QWidget


class Follower:
    """Calls a method of a widget at events of napari; it keeps neither viewer nor widget alive.

    Parameters
    ----------
    widget : QWidget
        The widget.
    method : str
        Name of its method, called without arguments.
    signals : iterable
        Event emitters of napari; :meth:`follow` takes others.
    """

    def __init__(self, widget: QWidget, method: str, signals: Iterable[Any] = ()) -> None:
        self._widget = weakref.ref(widget)
        self._method = method
        self._signals: list[weakref.ref[Any]] = []
        self.follow(signals)
        widget.destroyed.connect(partial(Follower.stop, self))

    def follow(self, signals: Iterable[Any]) -> None:
        """Listen to these emitters, and no longer to those before."""
        self.stop()
        # weak: if a viewer and its widgets are collected together, its emitters may be emptied first
        self._signals = [weakref.ref(getattr(signal, "__wrapped__", signal)) for signal in signals]
        for signal in self._living():
            signal.connect(self.pass_on)

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
