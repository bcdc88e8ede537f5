"""The table of a large mask: areas, shares, connected parts and confidence, over all and in each region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.data.region_set import RegionSet, Window
from napari_construct.events import Event, Steps, run
from napari_construct.results.measures.components import BLOCK, component_steps
from napari_construct.results.measures.rows import OVER_ALL, area_rows, as_columns
from napari_construct.results.measures.sums import RegionSums, Sums
from napari_construct.results.stored_pyramid import StoredPyramid
from napari_construct.types import FloatArray, LabelImage

Read = Callable[[Window], LabelImage]


def table_steps(
    labels: Any,
    sums: RegionSums,
    classes: ClassTable,
    regions: RegionSet | None,
    *,
    square: float | None,
    tissue: bool = True,
    confidence: bool = True,
    event: Event,
) -> Steps[list[dict[str, Any]]]:
    """Rows as of :func:`~napari_construct.results.region_areas.region_table`, without the whole in memory.

    Parameters
    ----------
    labels : array-like
        (h, w) uint8, read in parts.
    sums : RegionSums
        Of the same labels and regions.
    classes : ClassTable
        The k classes.
    regions : RegionSet or None
        In pixels of the labels.
    square : float or None
        Square micrometres of a pixel.
    tissue, confidence : bool
        Whether ``sums`` knows them.
    event : Event
        What to say while parts are counted.
    """

    def read(window: Window) -> LabelImage:
        part = read_window(labels, window)
        if regions is not None and regions.ignored is not None:
            part = part * regions.counted(window)
        return part

    def rows(name: str, window: Window, found: Sums, source: Read) -> Steps[list[dict[str, Any]]]:
        components = yield from component_steps(source, window, len(classes), event)
        return area_rows(
            name,
            classes,
            found.pixels,
            components.tolist(),
            tissue=found.tissue if tissue else None,
            square=square,
            means=found.means if confidence else None,
        )

    height, width = labels.shape
    table = yield from rows(OVER_ALL, Window(0, 0, height, width), sums.whole, read)
    for number, name in enumerate(() if regions is None else regions.names):
        window = regions.window(number, (height, width))  # type: ignore[union-attr]
        inside = _within(labels, regions, number)  # type: ignore[arg-type]
        table += yield from rows(name, window, sums.region(number), inside)
    return table


def _within(labels: Any, regions: RegionSet, number: int) -> Read:
    def read(window: Window) -> LabelImage:
        found: LabelImage = read_window(labels, window) * regions.drawn(number, window)
        return found

    return read


def pyramid_table(
    found: StoredPyramid, regions: RegionSet | None = None, *, block: int = BLOCK
) -> dict[str, NDArray[Any]]:
    """Columns as of :func:`~napari_construct.results.region_areas.region_table` of a label pyramid.

    It is read block by block. ``mean_confidence`` is there where the pyramid holds probabilities;
    ``percent_of_tissue`` where all tissue is labelled, as the record's settings say, and otherwise
    ``percent_of_labelled``.

    Parameters
    ----------
    found : StoredPyramid
        Complete.
    regions : RegionSet, optional
        In pixels of the finest level.
    block : int
        Side of what is read at once.
    """
    found.check_complete()
    labels, classes = found.labels[0], found.classes
    height, width = labels.shape
    parts = []
    for top in range(0, height, block):
        for left in range(0, width, block):
            window = Window(top, left, min(block, height - top), min(block, width - left))
            part = read_window(labels, window)
            if regions is not None:
                part = part * regions.counted(window)
            confidence = _confidence(found, part, window)
            one = RegionSums.of(window, part, confidence, part > 0, len(classes), regions)
            parts.append(one.as_record())
    rows = run(
        table_steps(
            labels,
            RegionSums.total(parts, len(classes)),
            classes,
            regions,
            square=None if found.pixel is None else found.pixel[0] * found.pixel[1],
            tissue=found.record.get("settings", {}).get("min_confidence") == 0,
            confidence=bool(found.probabilities),
            event=Event("refine", 1, 1),
        )
    )
    return as_columns(rows)


def read_window(labels: Any, window: Window) -> LabelImage:
    """(height, width) of an array that is read in parts."""
    top, left, height, width = window
    found: LabelImage = np.asarray(labels[top : top + height, left : left + width])
    return found


def _confidence(found: StoredPyramid, labels: LabelImage, window: Window) -> FloatArray:
    """(height, width) stored probability of each pixel's label; 0 where none is stored."""
    confidence = np.zeros(labels.shape, np.float32)
    if found.probabilities and labels.any():
        top, left, height, width = window
        stored = found.probabilities[0]
        for value in range(1, len(found.classes) + 1):
            here = labels == value
            if here.any():
                plane = np.asarray(stored[value - 1, top : top + height, left : left + width])
                confidence[here] = plane[here] / np.float32(255)
    return confidence
