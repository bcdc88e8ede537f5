"""Adds layers to a viewer in steps so small that the event loop answers in between.

Adding a layer costs napari 50 to 150 ms of the GUI thread, whatever the layer holds: controls, visuals, the
selection that shows the controls, and last one repaint of the window. :func:`insertion` takes that apart
into turns of the event loop, and draws what is new once before it is shown. What comes is what
``viewer.add_layer`` gives, except that only the last of several layers is selected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.layers.layer_listeners import WindowListeners
from napari_construct.widgets.layers.painting import (
    draw_ahead,
    hold_painting,
    main_window,
    paint_all,
    painting_again,
)
from napari_construct.widgets.layers.turns import Step, Turns


class LayerAdder(QObject):
    """Adds what it is given to a viewer, one small step per turn of the event loop.

    Parameters
    ----------
    viewer : napari.Viewer
        That gets the layers.
    parent : QWidget
        Whose window shows them. When it is closed on the way, what was given is still added.
    """

    finished = Signal()

    def __init__(self, viewer: Any, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._turns: Turns | None = None

    def isActive(self) -> bool:
        """Whether layers are still to be added."""
        return self._turns is not None

    def add(self, layers: Iterable[Any], then: Step | None = None) -> None:
        """Add these after those that wait; ``finished`` comes also where there are none.

        ``then`` is called when the last of them is in its place and not yet painted.
        """
        if self._turns is None:
            self._turns = Turns(main_window(self.parent()))
            self._turns.finished.connect(self._on_finished)
        window = self._turns.parent()
        given = list(layers)
        for i, layer in enumerate(given, start=1):
            last = i == len(given)
            steps = insertion(self._viewer, window, layer, select=last, then=then if last else None)
            self._turns.append(steps)
        self._turns.start()

    def drop(self) -> None:
        """Leave out the layers that were not begun, because nobody wants them any more."""
        if self._turns is not None:
            self._turns.drop()

    def _on_finished(self) -> None:
        self._turns = None
        self.finished.emit()


def insertion(
    viewer: Any, window: QWidget, layer: Any, *, select: bool, then: Step | None = None
) -> Iterator[Step]:
    """The steps that add one layer.

    Into the list, to the parts of the window, its drawing aids, into the selection, onto the screen.
    """
    aids, listeners = _drawing_aids(layer), WindowListeners(viewer.layers, layer, window)
    yield partial(_insert, viewer, window, layer, aids, listeners)
    yield from listeners.turns()
    for aid in aids:
        yield partial(_show, aid)
    if select:
        yield partial(_select, viewer, layer)
    if then is not None:
        yield then
    yield partial(draw_ahead, window)
    yield from painting_again(window)


def _insert(viewer: Any, window: QWidget, layer: Any, aids: list[Any], listeners: WindowListeners) -> None:
    """Add a layer; nothing is painted and nothing selected in the same turn."""
    for aid in aids:
        aid.visible = False
    hold_painting(window)
    try:
        with _selection_kept(viewer.layers), listeners.passed_over():
            viewer.add_layer(layer)
    except BaseException:
        paint_all(window)
        raise


@contextmanager
def _selection_kept(layers: Any) -> Iterator[None]:
    """A new layer is selected by napari; here the selection is afterwards what it was, and nobody is told."""
    selection = layers.selection
    before, active = list(selection), selection.active
    with selection.events.blocker_all():
        try:
            yield
        finally:
            selection.active = active
            if active is None:
                selection.update(before)


def _select(viewer: Any, layer: Any) -> None:
    if layer in viewer.layers:  # else it was deleted meanwhile
        viewer.layers.selection.active = layer


def _drawing_aids(layer: Any) -> list[Any]:
    """The outlines that napari draws with a labels layer's tools: half of the time it takes to add one.

    They are made when they become visible. A napari that keeps none, or keeps them elsewhere, makes them at
    once; adding is then slower, and nothing else changes.
    """
    aids = getattr(layer, "_overlays", {})
    return [aid for aid in aids.values() if getattr(aid, "visible", False) is True]


def _show(aid: Any) -> None:
    aid.visible = True
