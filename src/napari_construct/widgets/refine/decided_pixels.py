"""Which pixels of a refined mask are as they were decided; all others the user has painted, and they stay."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_construct.types import LabelImage
from napari_construct.widgets.refine.job import Change

At = tuple[int, ...]

_REMEMBERED: Final = 100
"""Changes that can be taken back, as many as napari's undo."""


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    """What Refine wrote at once: pixels of a plane, counted along its rows, and their labels."""

    at: At
    pixels: NDArray[np.intp]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]


class DecidedPixels:
    """Writes decisions into a layer, and leaves alone what the user painted there.

    A pixel counts as painted where the layer differs from what was decided for it last. Hence a stroke that
    is undone is forgotten. Where the user undoes a decision, the one before it is the last again: napari
    tells of strokes (``events.paint``) and that a layer is drawn anew (``events.set_data``), but of no undo;
    it shows in that all pixels of the last decision have their old labels at once, without a stroke.

    Parameters
    ----------
    layer : Labels
        The mask; it is not kept alive.
    segmented : mapping of tuple of int to ndarray
        (h, w) uint8 for the index of each plane: what was decided before anybody painted. Not written to.
    """

    def __init__(self, layer: Labels, segmented: Mapping[At, LabelImage]) -> None:
        self._layer = weakref.ref(layer)
        self._shape = layer.data.shape
        self._segmented = segmented
        self._labels: dict[At, LabelImage] = {}
        self._done: deque[_Write] = deque(maxlen=_REMEMBERED)
        self._undone: list[_Write] = []
        self._stands, self._waits = False, False
        self._painted = False
        self._writing = False
        layer.events.paint.connect(self._on_paint)
        layer.events.set_data.connect(self._on_drawn)

    def write(self, change: Change) -> int:
        """Write as a stroke of the brush would, which napari's undo takes back.

        Returns how many pixels were kept as they were painted although other labels were decided.
        """
        layer = self._layer()
        if layer is None or not change.labels.size:
            return 0
        at = tuple(int(axis[0]) for axis in change.indices[:-2])
        decided, (rows, columns) = self._plane(at), change.indices[-2:]
        pixels = rows * decided.shape[1] + columns
        now, before = np.take(np.asarray(layer.data[at]), pixels), np.take(decided, pixels)
        differs, free = now != change.labels, now == before
        chosen = differs & free
        if chosen.any():
            write = _Write(at, pixels[chosen], before[chosen], change.labels[chosen])
            self._writing = True
            try:
                layer.data_setitem(tuple(axis[chosen] for axis in change.indices), write.after)
            finally:
                self._writing = False
            np.put(decided, write.pixels, write.after)
            self._done.append(write)
            self._undone.clear()
            self._stands, self._waits, self._painted = True, False, False
            layer.refresh(thumbnail=True, extent=False)
        return int((differs & ~free).sum())

    def _plane(self, at: At) -> LabelImage:
        """What was decided last; made when first asked for, as stacks may be large."""
        if at not in self._labels:
            self._labels[at] = self._segmented[at].copy()
        return self._labels[at]

    def _on_paint(self, _: Any) -> None:
        if not self._writing:
            self._painted = True
            self._undone.clear()

    def _on_drawn(self, _: Any) -> None:
        layer = self._layer()
        if layer is None or layer.data.shape != self._shape:
            return
        if not self._painted:
            self._follow()
        self._look()

    def _follow(self) -> None:
        """Go one step back or forth where that is what napari's undo or redo has done."""
        back = self._stands and self._shows(self._done[-1], after=False)
        again = self._waits and self._shows(self._undone[-1], after=True)
        if back and again:  # the larger one has changed what the smaller one had, not the other way round
            back = self._done[-1].pixels.size >= self._undone[-1].pixels.size
        if back:
            write = self._done.pop()
            np.put(self._plane(write.at), write.pixels, write.before)
            self._undone.append(write)
        elif again:
            write = self._undone.pop()
            np.put(self._plane(write.at), write.pixels, write.after)
            self._done.append(write)

    def _look(self) -> None:
        """Whether the next undo may take back the last decision, or a redo repeat it."""
        self._painted = False
        self._stands = bool(self._done) and self._shows(self._done[-1], after=True)
        self._waits = bool(self._undone) and self._shows(self._undone[-1], after=False)

    def _shows(self, write: _Write, *, after: bool) -> bool:
        """Whether a layer has all the labels of a decision, or all those from before it."""
        layer = self._layer()
        if layer is None:
            return False
        shown = np.take(np.asarray(layer.data[write.at]), write.pixels)
        return np.array_equal(shown, write.after if after else write.before)
