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
from qtpy.QtCore import QObject, Signal

from napari_construct.types import LabelImage
from napari_construct.widgets.refine.job import Change

At = tuple[int, ...]

_REMEMBERED: Final = 100
"""Number of changes that undo can reach, as in napari."""


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    """One change by Refine: pixels of a plane, counted along its rows, their labels, and its states."""

    at: At
    pixels: NDArray[np.intp]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    state_before: Any = None
    state_after: Any = None


class DecidedPixels(QObject):
    """Writes labels into a layer and keeps the pixels that the user painted.

    A pixel is painted if the layer differs from Refine's last label for it; an undone stroke therefore no
    longer counts. After an undo of a change by Refine, the change before it is the last one. napari has
    events for strokes (``events.paint``) and for a new drawing (``events.set_data``), but none for undo. An
    undo is recognised because all pixels of the last change have their old labels at once, without a stroke.

    A preview of a part of the plane is no change of its own: the next change takes it back first, so that one
    undo takes back what one move of a slider did.

    Parameters
    ----------
    layer : Labels
        The mask; it is not kept alive.
    segmented : mapping of tuple of int to ndarray
        (h, w) uint8 for the index of each plane: the labels of the segmentation. Not written to.
    """

    followed = Signal(object, object)
    """An undo or redo reached a change by Refine: the plane, and the state that belongs to it now."""
    drawn = Signal()
    """The user painted, or took a stroke back."""

    def __init__(self, layer: Labels, segmented: Mapping[At, LabelImage]) -> None:
        super().__init__()
        self._layer = weakref.ref(layer)
        self._shape = layer.data.shape
        self._segmented = segmented
        self._labels: dict[At, LabelImage] = {}
        self._done: deque[_Write] = deque(maxlen=_REMEMBERED)
        self._undone: list[_Write] = []
        self._preview: _Write | None = None
        self._stands, self._waits = False, False
        self._painted = False
        self._writing = False
        layer.events.paint.connect(self._on_paint)
        layer.events.set_data.connect(self._on_drawn)

    def write(self, change: Change, before: Any = None, after: Any = None) -> None:
        """Write labels as a brush stroke does, so that napari can undo it.

        ``before`` and ``after`` are what belongs to the labels, for example settings; see ``followed``.
        """
        layer = self._layer()
        if layer is None:
            return
        preview = self._preview
        self.dropPreview()
        at, pixels, labels = self._flat(change)
        if preview is not None and preview.at == at:  # elsewhere the change has what differs from the preview
            every = np.concatenate([pixels, preview.pixels])
            pixels, first = np.unique(every, return_index=True)
            labels = np.concatenate([labels, preview.after])[first]
        write = self._free(at, pixels, labels, before, after)
        if write is None:
            return
        self._writing = True
        try:
            layer.data_setitem(self._index(write), write.after)
        finally:
            self._writing = False
        np.put(self._plane(at), write.pixels, write.after)
        self._done.append(write)
        self._undone.clear()
        self._stands, self._waits, self._painted = True, False, False
        layer.refresh(thumbnail=True, extent=False)

    def preview(self, change: Change) -> None:
        """Show labels until the next change or :meth:`dropPreview`; undo knows nothing of them."""
        layer = self._layer()
        self.dropPreview()
        if layer is None:
            return
        write = self._free(*self._flat(change), None, None)
        if write is not None:
            self._show(layer, write, write.after)
            self._preview = write

    def dropPreview(self) -> None:
        """Take a preview back, but for what was painted on it."""
        layer, write = self._layer(), self._preview
        self._preview = None
        if layer is None or write is None:
            return
        still = np.take(np.asarray(layer.data[write.at]), write.pixels) == write.after
        pixels = write.pixels[still]
        decided = np.take(self._plane(write.at), pixels)  # an undo may have come in between
        self._show(layer, _Write(write.at, pixels, decided, decided), decided)

    def painted(self, at: At) -> NDArray[np.bool_]:
        """(h, w): the pixels of a plane that the user painted."""
        layer = self._layer()
        decided = self._labels.get(at, self._segmented[at])
        if layer is None or layer.data.shape != self._shape:
            return np.zeros(decided.shape, np.bool_)
        painted: NDArray[np.bool_] = np.asarray(layer.data[at]) != decided
        if self._preview is not None and self._preview.at == at:
            shown = np.take(np.asarray(layer.data[at]), self._preview.pixels) == self._preview.after
            np.put(painted, self._preview.pixels[shown], np.zeros(1, np.bool_))
        return painted

    def _flat(self, change: Change) -> tuple[At, NDArray[np.intp], NDArray[np.uint8]]:
        """The plane of a change, its pixels along the rows, and their labels."""
        if not change.labels.size:
            return next(iter(self._segmented)), np.empty(0, np.intp), change.labels
        at = tuple(int(axis[0]) for axis in change.indices[:-2])
        rows, columns = change.indices[-2:]
        return at, rows * self._shape[-1] + columns, change.labels

    def _free(
        self, at: At, pixels: NDArray[np.intp], labels: NDArray[np.uint8], before: Any, after: Any
    ) -> _Write | None:
        """What may be written: pixels that have other labels, and that the user did not paint."""
        layer = self._layer()
        if layer is None or not pixels.size:
            return None
        now, decided = np.take(np.asarray(layer.data[at]), pixels), np.take(self._plane(at), pixels)
        chosen = (now != labels) & (now == decided)
        if not chosen.any():
            return None
        return _Write(at, pixels[chosen], decided[chosen], labels[chosen], before, after)

    def _index(self, write: _Write) -> tuple[NDArray[np.intp], ...]:
        rows, columns = np.divmod(write.pixels, self._shape[-1])
        return *(np.full(rows.size, index, np.intp) for index in write.at), rows, columns

    def _show(self, layer: Labels, write: _Write, labels: NDArray[np.uint8]) -> None:
        """Put labels into the layer without a step of its history."""
        self._writing = True
        try:
            layer.data[self._index(write)] = labels
            layer.refresh(thumbnail=False, extent=False)
        finally:
            self._writing = False

    def _plane(self, at: At) -> LabelImage:
        """The last labels of a plane; copied at first use, as stacks may be large."""
        if at not in self._labels:
            self._labels[at] = self._segmented[at].copy()
        return self._labels[at]

    def _on_paint(self, _: Any) -> None:
        if not self._writing:
            self._painted = True
            self._undone.clear()
            self.drawn.emit()

    def _on_drawn(self, _: Any) -> None:
        layer = self._layer()
        if self._writing or layer is None or layer.data.shape != self._shape:
            return
        followed = None if self._painted else self._follow()
        self._look()
        if followed is not None:
            self.followed.emit(*followed)
        self.drawn.emit()

    def _follow(self) -> tuple[At, Any] | None:
        """Follow an undo or redo of napari by one step; the plane, and what belongs to it now."""
        back = self._stands and self._shows(self._done[-1], after=False)
        again = self._waits and self._shows(self._undone[-1], after=True)
        if back and again:  # the larger change covers the smaller one
            back = self._done[-1].pixels.size >= self._undone[-1].pixels.size
        if back:
            write = self._done.pop()
            np.put(self._plane(write.at), write.pixels, write.before)
            self._undone.append(write)
            return write.at, write.state_before
        if again:
            write = self._undone.pop()
            np.put(self._plane(write.at), write.pixels, write.after)
            self._done.append(write)
            return write.at, write.state_after
        return None

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
