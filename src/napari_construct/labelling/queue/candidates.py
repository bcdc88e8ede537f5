"""All regions of an image, with the doubt, the tissue and the classes in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.events import Event, Steps
from napari_construct.labelling.queue.evidence import ImageEvidence, probabilities_in
from napari_construct.labelling.queue.regions import Region
from napari_construct.labelling.queue.settings import QueueSettings
from napari_construct.types import FloatArray

_PIXELS_AT_ONCE: Final = 2**24
_TISSUE: Final = 0.5
"""Sum of a cell's probabilities from which it is tissue; glass has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Regions of one image.

    Attributes
    ----------
    regions : tuple of Region
        Those with enough tissue; ``gain`` is doubt x tissue yet.
    shares : ndarray
        (n, k) float32: mean probability of each class in the tissue of each.
    """

    regions: tuple[Region, ...]
    shares: FloatArray


def doubt_of(probabilities: FloatArray, measure: str) -> FloatArray:
    """Doubt of each place, in [0, 1].

    Parameters
    ----------
    probabilities : ndarray
        (k, ...) float32.
    measure : {"entropy", "margin"}
        ``-sum p ln p / ln k``, or one minus the distance of the two largest.
    """
    k = len(probabilities)
    if k < 2:
        p = probabilities[0]
        return np.asarray(1 - np.abs(2 * p - 1), np.float32)
    total = np.maximum(probabilities.sum(axis=0), 1e-6)
    p = probabilities / total
    if measure == "entropy":
        return np.asarray(-(p * np.log(np.maximum(p, 1e-9))).sum(axis=0) / np.log(k), np.float32)
    two = np.partition(p, k - 2, axis=0)
    return np.asarray(1 - (two[-1] - two[-2]), np.float32)


def side_of(evidence: ImageEvidence, settings: QueueSettings) -> int:
    """Pixels of a region's side."""
    side = settings.side_px if evidence.mpp is None else max(16, round(settings.side_um / evidence.mpp))
    return min(side, *evidence.shape)


def candidate_steps(evidence: ImageEvidence, settings: QueueSettings) -> Steps[Candidates]:
    """Lay a grid of regions over an image, and read its probabilities band by band.

    The last regions of a row or column begin earlier, so that they lie within the image.

    Yields
    ------
    Event
        Stage "doubt".
    """
    side = side_of(evidence, settings)
    tops, lefts = (_starts(length, side) for length in evidence.shape)
    level, step = evidence.level_for(side)
    found: list[Region] = []
    shares: list[NDArray[np.float32]] = []
    for number, top in enumerate(tops):
        yield Event("doubt", number, len(tops), evidence.name)
        rows = _cells(top, side, step[0], level.shape[1])
        at_once = max(1, _PIXELS_AT_ONCE // max(1, (rows.stop - rows.start) * round(side / step[1])))
        for first in range(0, len(lefts), at_once):
            some = lefts[first : first + at_once]
            columns = _cells(some[0], some[-1] + side - some[0], step[1], level.shape[2])
            band = probabilities_in(level[:, rows, columns])
            for left in some:
                here = _cells(left, side, step[1], level.shape[2])
                part = band[:, :, here.start - columns.start : here.stop - columns.start]
                region, share = _region(evidence, settings, part, (top, left, side))
                if region.tissue >= settings.min_tissue and region.tissue > 0:
                    found.append(region)
                    shares.append(share)
    yield Event("doubt", len(tops), len(tops), evidence.name)
    k = len(evidence.classes)
    return Candidates(tuple(found), np.stack(shares) if shares else np.zeros((0, k), np.float32))


def _region(
    evidence: ImageEvidence, settings: QueueSettings, part: FloatArray, place: tuple[int, int, int]
) -> tuple[Region, NDArray[np.float32]]:
    tissue = part.sum(axis=0) > _TISSUE
    share = float(tissue.mean()) if tissue.size else 0.0
    inside = part[:, tissue]
    doubt = float(doubt_of(inside, settings.doubt).mean()) if share else 0.0
    means = inside.mean(axis=1).astype(np.float32) if share else np.zeros(len(part), np.float32)
    top, left, side = place
    region = Region(
        evidence.name,
        top,
        left,
        side,
        side,
        gain=doubt * share,
        doubt=doubt,
        tissue=share,
        guess=evidence.classes[int(means.argmax())] if share else "",
    )
    return region, means


def _starts(length: int, side: int) -> list[int]:
    starts = list(range(0, max(length - side, 0) + 1, side))
    if starts[-1] + side < length:
        starts.append(length - side)
    return starts


def _cells(start: int, length: int, step: float, count: int) -> slice:
    """Cells whose centre lies in a span of pixels, one at least."""
    first = min(int(np.ceil(start / step - 0.5)), count - 1)
    last = min(int(np.ceil((start + length) / step - 0.5)), count)
    return slice(max(first, 0), max(last, first + 1, 1))


def unseen(candidates: Sequence[Candidates], known: Sequence[Region]) -> list[tuple[int, int]]:
    """Number of the image and of the region of what overlaps nothing known by a quarter of its area."""
    found = []
    for image, of in enumerate(candidates):
        names = [one for one in known if of.regions and one.source == of.regions[0].source]
        for i, region in enumerate(of.regions):
            if not any(_shared(region, one) > 0.25 for one in names):
                found.append((image, i))
    return found


def _shared(region: Region, other: Region) -> float:
    if not region.overlaps(other):
        return 0.0
    rows = min(region.row + region.height, other.row + other.height) - max(region.row, other.row)
    columns = min(region.column + region.width, other.column + other.width) - max(region.column, other.column)
    return rows * columns / (region.height * region.width)
