"""Pixels counted by the classes of two annotations, part by part."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.region_set import RegionSet, Window
from napari_construct.evaluation.agreement.matching import Matched
from napari_construct.evaluation.agreement.settings import AgreementSettings
from napari_construct.evaluation.agreement.sides import Side
from napari_construct.events import Event, Steps
from napari_construct.metrics.agreement import Margins

Counts = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Counted:
    """Counts of one pair of annotations.

    Attributes
    ----------
    matrix : ndarray
        (n, n) int64: rows classes of the first, columns those of the second; the last are pixels of no class.
    units : list of (name, Margins)
        The same of each region, where there are any; else of all of it.
    """

    matrix: Counts
    units: list[tuple[str, Margins]] = field(default_factory=list)


def count_steps(
    first: Side,
    second: Side,
    matched: Matched,
    shape: tuple[int, int],
    settings: AgreementSettings,
    name: str,
) -> Steps[Counted]:
    """Count the pixels of a grid, one part after another; no whole mask is ever made.

    A pixel counts where both sides' regions hold it, and nothing ignored does. Where regions overlap, the
    first one has it.

    Parameters
    ----------
    first, second : Side
        On one grid.
    matched : Matched
        Of their classes.
    shape : (int, int)
        Of the grid.
    settings : AgreementSettings
        ``tile`` and ``unlabelled`` are used.
    name : str
        Of the pair.

    Yields
    ------
    Event
        Stage "parts".
    """
    k = len(matched.names)
    size = k + 1
    tables = [np.concatenate([one, [k]]) for one in (matched.first, matched.second)]  # -1 finds the last
    limits = [one for one in (first.regions(), second.regions()) if one is not None]
    named = next((one for one in limits if one.names), None)
    rest = [one for one in limits if one is not named]
    total, by_unit = np.zeros((size, size), np.int64), dict[int, Margins]()
    windows = _windows(shape, settings.tile)
    for number, window in enumerate(windows):
        yield Event("parts", number, len(windows), name)
        units = _units(window, named, rest)
        if units is not None and not (units >= 0).any():
            continue
        values = [side.values(window) for side in (first, second)]
        if units is None and all(one is None for one in values):
            found = {0: np.zeros((size, size), np.int64)}
            found[0][k, k] = window.height * window.width
        else:
            found = _count(values, tables, units, window, size)
        for unit, counts in found.items():
            if settings.unlabelled == "left out":
                counts[k, :] = counts[:, k] = 0
            total += counts
            by_unit[unit] = by_unit[unit] + Margins.of(counts) if unit in by_unit else Margins.of(counts)
    yield Event("parts", len(windows), len(windows), name)
    names = (name,) if named is None else tuple(f"{name}: {one}" for one in named.names)
    return Counted(total, [(names[i], by_unit[i]) for i in sorted(by_unit)])


def _windows(shape: tuple[int, int], tile: int) -> list[Window]:
    rows, columns = shape
    return [
        Window(top, left, min(tile, rows - top), min(tile, columns - left))
        for top in range(0, rows, tile)
        for left in range(0, columns, tile)
    ]


def _units(window: Window, named: RegionSet | None, rest: list[RegionSet]) -> NDArray[np.int32] | None:
    """(h, w): the region that each pixel belongs to, -1 for none; None: all of it is one."""
    if named is None and not rest:
        return None
    units = np.full((window.height, window.width), -1 if named is not None else 0, np.int32)
    if named is not None:
        for number, inside in named.masks(window):
            units[inside & (units < 0)] = number
        units[~named.counted(window)] = -1
    for one in rest:
        units[~one.mask(window)] = -1
    return units


def _count(
    values: list[NDArray[np.int16] | None],
    tables: list[NDArray[np.intp]],
    units: NDArray[np.int32] | None,
    window: Window,
    size: int,
) -> dict[int, Counts]:
    none = np.full((window.height, window.width), -1, np.int16)
    rows, columns = (table[none if one is None else one] for table, one in zip(tables, values, strict=True))
    kept = (rows >= 0) & (columns >= 0)  # classes that count nowhere are -1
    if units is None:
        return {0: _matrix(rows[kept], columns[kept], size)}
    kept &= units >= 0
    return {
        unit: _matrix(rows[here], columns[here], size)
        for unit in np.unique(units[kept]).tolist()
        for here in (kept & (units == unit),)
    }


def _matrix(rows: NDArray[np.intp], columns: NDArray[np.intp], size: int) -> Counts:
    counts = np.bincount(rows * size + columns, minlength=size * size)
    return counts.reshape(size, size).astype(np.int64)
