"""Connected parts of a mask that is read window by window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_construct.data.region_set import Window
from napari_construct.events import Event, Steps, run
from napari_construct.types import LabelImage

BLOCK: Final = 2048
"""Side in pixels of what is looked at at once."""


def count_components(
    read: Callable[[Window], LabelImage], window: Window, k: int, block: int = BLOCK
) -> NDArray[np.int64]:
    """(k,) connected parts of each class; :func:`component_steps` as a plain function."""
    return run(component_steps(read, window, k, Event("refine", 1, 1), block))


def component_steps(
    read: Callable[[Window], LabelImage], window: Window, k: int, event: Event, block: int = BLOCK
) -> Steps[NDArray[np.int64]]:
    """Count connected parts of each class, as :func:`~napari_construct.results.areas.class_components` does.

    Pixels that touch at a corner are connected. Blocks are labelled one by one; parts that touch at the
    border of two blocks are one. After each row of blocks the parts that do not reach its lower border are
    counted and forgotten, so that memory holds a block and a few numbers for each pixel along one row.

    Parameters
    ----------
    read : callable
        (height, width) uint8 labels of a window; ``i + 1`` is class ``i``.
    window : Window
        What is looked at.
    k : int
        Classes.
    event : Event
        What to say while it is done.
    block : int
        Side of a block.

    Yields
    ------
    Event
        After each block, so that a job may stop there.
    """
    counts = np.zeros(k, np.int64)
    above = _Border.empty(window.width)
    for row, height in _spans(window.top, window.height, block):
        strip = _Strip(above, window.width)
        for column, width in _spans(window.left, window.width, block):
            counts += strip.add(read(Window(row, column, height, width)), column - window.left, k)
            yield event
        above = strip.finish(counts)
    above.count(counts)
    return counts


class _Border:
    """The last row of a strip: part and class of its pixels, 0 outside; parts are numbered from 1 on."""

    def __init__(self, parts: NDArray[np.int64], classes: LabelImage) -> None:
        self.parts, self.classes = parts, classes

    @classmethod
    def empty(cls, width: int) -> _Border:
        return cls(np.zeros(width, np.int64), np.zeros(width, np.uint8))

    def count(self, counts: NDArray[np.int64]) -> None:
        """Add the parts to the counts of their classes."""
        _, first = np.unique(self.parts, return_index=True)
        _add(counts, self.classes[first])


class _Strip:
    """A row of blocks: parts that touch the border of a block, and which of them are one."""

    def __init__(self, above: _Border, width: int) -> None:
        self._above = above
        self._next = int(above.parts.max(initial=0)) + 1
        self._pairs: list[NDArray[np.int64]] = []
        self._top, self._bottom = _Border.empty(width), _Border.empty(width)
        self._left: tuple[NDArray[np.int64], LabelImage] | None = None
        self._classes: list[tuple[NDArray[np.int64], LabelImage]] = [(above.parts, above.classes)]

    def add(self, labels: LabelImage, start: int, k: int) -> NDArray[np.int64]:
        """Take the next block, from column ``start`` on; (k,) parts that do not touch its border."""
        from skimage.measure import label

        counts = np.zeros(k, np.int64)
        parts: NDArray[Any] = label(labels, background=0, connectivity=2)  # type: ignore[no-untyped-call]
        total = int(parts.max(initial=0))
        classes = np.zeros(total + 1, np.uint8)
        classes[parts] = labels
        edges = (parts[0], parts[-1], parts[:, 0], parts[:, -1])
        reaching = np.unique(np.concatenate(edges))
        reaching = reaching[reaching > 0]
        within = np.ones(total + 1, np.bool_)
        within[0] = within[reaching] = False
        _add(counts, classes[within])
        numbers = np.zeros(total + 1, np.int64)
        numbers[reaching] = np.arange(self._next, self._next + len(reaching))
        self._next += len(reaching)
        self._classes.append((numbers[reaching], classes[reaching]))
        end = start + labels.shape[1]
        self._top.parts[start:end], self._top.classes[start:end] = numbers[parts[0]], labels[0]
        self._bottom.parts[start:end], self._bottom.classes[start:end] = numbers[parts[-1]], labels[-1]
        if self._left is not None:
            self._pairs.append(_touching(*self._left, numbers[parts[:, 0]], labels[:, 0]))
        self._left = numbers[parts[:, -1]], labels[:, -1].copy()
        return counts

    def finish(self, counts: NDArray[np.int64]) -> _Border:
        """Count what does not reach the lower border; its last row, with parts numbered anew."""
        above, top = self._above, self._top
        self._pairs.append(_touching(above.parts, above.classes, top.parts, top.classes))
        pairs = np.concatenate(self._pairs, axis=1)
        links = coo_array((np.ones(pairs.shape[1], np.bool_), tuple(pairs)), shape=(self._next, self._next))
        total, of = connected_components(links, directed=False)
        classes = np.zeros(total, np.uint8)
        for parts, values in self._classes:
            classes[of[parts[parts > 0]]] = values[parts > 0]
        open_parts = np.unique(of[self._bottom.parts[self._bottom.parts > 0]])
        done = np.ones(total, np.bool_)
        done[of[0]] = done[open_parts] = False
        _add(counts, classes[done])
        numbers = np.zeros(total, np.int64)
        numbers[open_parts] = np.arange(1, len(open_parts) + 1)
        numbers[of[0]] = 0
        return _Border(numbers[of[self._bottom.parts]], self._bottom.classes)


def _touching(
    before: NDArray[np.int64], classes: LabelImage, after: NDArray[np.int64], others: LabelImage
) -> NDArray[np.int64]:
    """(2, n) pairs of parts of one class on two lines of pixels beside each other, also at corners."""
    found = []
    length = len(before)
    for shift in (-1, 0, 1):
        back, forth = max(0, -shift), max(0, shift)
        one, two = slice(back, length - forth), slice(forth, length - back)
        same = (classes[one] == others[two]) & (before[one] > 0)
        found.append(np.stack((before[one][same], after[two][same])))
    return np.unique(np.concatenate(found, axis=1), axis=1)


def _add(counts: NDArray[np.int64], classes: LabelImage) -> None:
    counts += np.bincount(classes, minlength=len(counts) + 1)[1 : len(counts) + 1]


def _spans(first: int, length: int, block: int) -> Iterator[tuple[int, int]]:
    """Starts and lengths of blocks, which begin at multiples of their side, as shards and chunks do."""
    for at in range(first // block * block, first + length, block):
        start = max(at, first)
        yield start, min(at + block, first + length) - start
