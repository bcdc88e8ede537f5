"""What refinement did to a mask: regions that it erased, areas that classes gained or lost.

A dense CRF with strong kernels removes small islands, some of which are lymphoid aggregates or
tumour buds that matter. This module names every one of them and can hold on to confident regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_construct.events import Event, Steps, run
from napari_construct.exceptions import InputError

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
Labels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class ErasedRegion:
    """A connected region of one class of which too little survived.

    Attributes
    ----------
    label : int
        The class the region had before.
    area : int
        Pixels before.
    kept : int
        Pixels that still have that class.
    centre : tuple of float
        Row and column of the centroid, pixels.
    box : tuple of int
        First row, first column, end row, end column (ends excluded).
    became : int
        The class most of its pixels have now.
    """

    label: int
    area: int
    kept: int
    centre: tuple[float, float]
    box: tuple[int, int, int, int]
    became: int


@dataclass(frozen=True, slots=True)
class RefinementReport:
    """Difference between two masks; areas in pixels, one entry a class.

    Attributes
    ----------
    erased : tuple of ErasedRegion
        Largest first.
    area_before, area_after : tuple of int
        Pixels of every class.
    changed : float
        Fraction of the pixels that have another class, 0 to 1.
    """

    erased: tuple[ErasedRegion, ...]
    area_before: tuple[int, ...]
    area_after: tuple[int, ...]
    changed: float

    @property
    def area_change(self) -> tuple[int, ...]:
        """Pixels gained (positive) or lost by every class."""
        return tuple(b - a for a, b in zip(self.area_before, self.area_after, strict=True))

    def summary(self, names: Sequence[str] | None = None) -> str:
        """Several lines of plain text; ``names`` are those of the classes, their numbers otherwise."""
        names = [f"class {i}" for i in range(len(self.area_before))] if names is None else names
        lines = [f"{100 * self.changed:.1f} % of the pixels changed class."]
        for name, before, change in zip(names, self.area_before, self.area_change, strict=True):
            share = f" ({100 * change / before:+.1f} %)" if before else ""
            lines.append(f"{name}: {before} px, {change:+d} px{share}")
        lines.extend(
            f"Erased: {names[r.label]}, {r.area} px at row {r.centre[0]:.0f}, column {r.centre[1]:.0f}, "
            f"now {names[r.became]}"
            for r in self.erased
        )
        return "\n".join(lines)


def compare_masks(
    before: Labels,
    after: Labels,
    n_classes: int,
    *,
    min_area: int = 16,
    min_kept: float = 0.0,
    ignore: Sequence[int] = (),
) -> RefinementReport:
    """Report the connected regions that refinement erased and the area every class gained or lost.

    Parameters
    ----------
    before, after : (h, w) integer array
        Masks with values from 0 to ``n_classes - 1``.
    n_classes : int
        Number of classes.
    min_area : int
        Regions with fewer pixels are not reported.
    min_kept : float
        A region counts as erased when at most this fraction of it kept its class, 0 to 1.
    ignore : sequence of int
        Classes whose regions are not reported (background); their areas are.

    Returns
    -------
    RefinementReport
        Regions are connected by sides and corners.

    Raises
    ------
    InputError
        If the masks differ in size, are not 2-D, not integer, or hold other values.
    """
    return run(compare_steps(before, after, n_classes, min_area=min_area, min_kept=min_kept, ignore=ignore))


def compare_steps(
    before: Labels,
    after: Labels,
    n_classes: int,
    *,
    min_area: int = 16,
    min_kept: float = 0.0,
    ignore: Sequence[int] = (),
) -> Steps[RefinementReport]:
    """As :func:`compare_masks`, yielding after every class: a large image takes a while."""
    before, after = np.asarray(before), np.asarray(after)
    _check(before, after, n_classes)
    erased: list[ErasedRegion] = []
    for label in range(n_classes):
        yield Event("refine", 0, 1)
        if label not in ignore:
            erased += _erased_of(before, after, label, n_classes, min_area, min_kept)
    yield Event("refine", 0, 1)
    area_before = _areas(before, n_classes)
    yield Event("refine", 0, 1)
    area_after = _areas(after, n_classes)
    yield Event("refine", 0, 1)
    return RefinementReport(
        erased=tuple(sorted(erased, key=lambda r: (-r.area, r.box))),
        area_before=area_before,
        area_after=area_after,
        changed=float((before != after).mean()),
    )


def protect_regions(
    before: Labels,
    after: Labels,
    confidence: npt.NDArray[np.floating[Any]],
    *,
    threshold: float = 0.9,
    min_area: int = 16,
    ignore: Sequence[int] = (),
) -> Labels:
    """Put back what refinement took from confident regions.

    Parameters
    ----------
    before, after : (h, w) integer array
        Masks.
    confidence : (h, w) floating array
        Probability of the class in ``before``, 0 to 1.
    threshold : float
        Pixels with at least this confidence are held, if they form a region.
    min_area : int
        Connected confident regions with fewer pixels are not held.
    ignore : sequence of int
        Classes that are never put back (background).

    Returns
    -------
    (h, w) integer array
        ``after``, with the class of ``before`` in the protected regions; the type of ``after``.
    """
    before, after = np.asarray(before), np.asarray(after)
    confidence = np.asarray(confidence)
    _check(before, after, None)
    if confidence.shape != before.shape:
        raise InputError(
            f"expected a confidence of shape {before.shape}, got {confidence.shape}; "
            "take the largest probability over the classes"
        )
    held = np.zeros(before.shape, dtype=bool)
    for label in np.unique(before[confidence >= threshold]):
        if int(label) in ignore:
            continue
        regions, count = ndimage.label((before == label) & (confidence >= threshold), _EIGHT_NEIGHBOURS)
        areas = np.bincount(regions.ravel(), minlength=count + 1)
        areas[0] = 0
        held |= (areas >= min_area)[regions]
    return np.where(held, before, after).astype(after.dtype)


def _erased_of(
    before: Labels, after: Labels, label: int, n_classes: int, min_area: int, min_kept: float
) -> list[ErasedRegion]:
    mask = before == label
    if not mask.any():
        return []
    regions, count = ndimage.label(mask, _EIGHT_NEIGHBOURS)
    areas = np.bincount(regions.ravel(), minlength=count + 1)
    kept = np.bincount(regions[mask & (after == label)], minlength=count + 1)
    boxes = ndimage.find_objects(regions)
    found = []
    for i in np.flatnonzero((areas >= max(1, min_area)) & (kept <= min_kept * areas)):
        if i == 0:
            continue
        box = boxes[i - 1]
        inside = regions[box] == i
        rows, columns = np.nonzero(inside)
        counts = np.bincount(after[box][inside].astype(np.intp), minlength=n_classes)
        top, left = box[0].start, box[1].start
        found.append(
            ErasedRegion(
                label=label,
                area=int(areas[i]),
                kept=int(kept[i]),
                centre=(float(rows.mean()) + top, float(columns.mean()) + left),
                box=(top, left, box[0].stop, box[1].stop),
                became=int(counts.argmax()),
            )
        )
    return found


def _areas(mask: Labels, n_classes: int) -> tuple[int, ...]:
    return tuple(int(n) for n in np.bincount(mask.ravel().astype(np.intp), minlength=n_classes))


def _check(before: Labels, after: Labels, n_classes: int | None) -> None:
    for mask in (before, after):
        if mask.ndim != 2 or mask.size == 0 or mask.dtype.kind not in "iu":
            raise InputError(
                f"expected masks of shape (h, w) and an integer type, got {mask.shape} {mask.dtype}; "
                "take the argmax over the classes"
            )
    if before.shape != after.shape:
        raise InputError(
            f"expected masks of one size, got {before.shape} and {after.shape}; resize one to the other"
        )
    if n_classes is not None:
        low, high = min(before.min(), after.min()), max(before.max(), after.max())
        if low < 0 or high >= n_classes:
            raise InputError(
                f"expected labels from 0 to {n_classes - 1}, got {low} to {high}; "
                "map ignored pixels to a class of their own"
            )
