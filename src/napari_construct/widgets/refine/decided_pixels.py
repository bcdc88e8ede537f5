"""Keeps painted pixels of a refined mask: Refine writes only pixels that still have its own labels."""

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
"""Number of changes that undo can reach, as in napari."""


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    """One change by Refine: pixels of a plane, counted along its rows, and their labels."""

    at: At
    pixels: NDArray[np.intp]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]


class DecidedPixels:
    """Writes labels into a layer and keeps the pixels that the user painted.

    A pixel is painted if the layer differs from Refine's last label for it; an undone stroke therefore no
    longer counts. After an undo of a change by Refine, the change before it is the last one. napari has
    events for strokes (``events.paint``) and for a new drawing (``events.set_data``), but none for undo. An
    undo is recognised because all pixels of the last change have their old labels at once, without a stroke.

    Parameters
    ----------
    layer : Labels
        The mask; it is not kept alive.
    segmented : mapping of tuple of int to ndarray
        (h, w) uint8 for the index of each plane: the labels of the segmentation. Not written to.
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
        """Write labels as a brush stroke does, so that napari can undo it.

        Returns
        -------
        int
            Number of painted pixels that were kept although Refine has another label.
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
        """The last labels of a plane; copied at first use, as stacks may be large."""
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
        """Follow an undo or redo of napari by one step."""
        back = self._stands and self._shows(self._done[-1], after=False)
        again = self._waits and self._shows(self._undone[-1], after=True)
        if back and again:  # the larger change covers the smaller one
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
        """Note whether the next undo or redo may reach a change by Refine."""
        self._painted = False
        self._stands = bool(self._done) and self._shows(self._done[-1], after=True)
        self._waits = bool(self._undone) and self._shows(self._undone[-1], after=False)

    def _shows(self, write: _Write, *, after: bool) -> bool:
        """Whether the layer has all labels from after a change, or from before it."""
        layer = self._layer()
        if layer is None:
            return False
        shown = np.take(np.asarray(layer.data[write.at]), write.pixels)
        return np.array_equal(shown, write.after if after else write.before)
