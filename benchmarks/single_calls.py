"""Calls of napari that the event loop cannot be asked between: how long the longest took of late."""

from __future__ import annotations

import functools
import time
from typing import Any


class SingleCalls:
    """Times the calls of napari in which most of a stall may go by, and that nobody can divide.

    The window's events (one repaints all docks), the canvas when it is drawn, and the controls of a layer
    that has been added.
    """

    def __init__(self) -> None:
        from napari._qt.layer_controls.qt_layer_controls_container import QtLayerControlsContainer
        from napari._qt.qt_main_window import _QtMainWindow
        from vispy.app.backends._qt import CanvasBackendDesktop

        self._ended: list[tuple[float, float, str]] = []
        self._inside = 0
        self._wrap(_QtMainWindow, "event", "its window")
        self._wrap(CanvasBackendDesktop, "paintGL", "its canvas")
        self._wrap(QtLayerControlsContainer, "_add", "a layer's controls")

    def _wrap(self, owner: type, method: str, name: str) -> None:
        call = getattr(owner, method)

        @functools.wraps(call)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            self._inside += 1
            try:
                return call(*args, **kwargs)
            finally:
                self._inside -= 1
                if not self._inside:  # not a part of another one
                    kind = f", {args[1].type().name}" if method == "event" else ""
                    self._ended.append((start, time.perf_counter(), name + kind))

        setattr(owner, method, timed)

    def longest_since(self, start: float) -> tuple[float, str]:
        """Seconds and name of the longest call that began then or later; forgets all."""
        calls = [(end - begin, name) for begin, end, name in self._ended if begin >= start]
        self._ended.clear()
        return max(calls, default=(0.0, ""))
