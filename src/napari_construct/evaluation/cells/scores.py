"""Scores of one student on images: counts per image, which add up, and the scores of any sum of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_construct.evaluation.scores.aggregate import defined
from napari_construct.metrics.cells import CellCounts
from napari_construct.metrics.instances import THRESHOLDS
from napari_construct.metrics.ratio import known_mean, ratio

Floats = npt.NDArray[np.float64]

SCORES: Final = ("dice", "iou", "boundary_f1", "ap50", "ap75", "ap")
"""Of the foreground, of contours, of cells at IoU 0.5 and 0.75, and their mean over IoU 0.5 to 0.95."""

CURVE: Final = "ap_by_iou"


@dataclass(frozen=True, slots=True, eq=False)
class CellImageScore:
    """One image.

    Attributes
    ----------
    name : str
        Of the image.
    counts : CellCounts
        Its counts.
    seconds : float
        Time of network and cells; 0 for stored output.
    """

    name: str
    counts: CellCounts
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class CellModelScores:
    """One model on all images, or a teacher.

    Attributes
    ----------
    name : str
        Distinct name in the report.
    seed : int or None
        Of its training, where its file says it.
    record : mapping
        Its identity and what it was trained on.
    images : tuple of CellImageScore
        At least one, in the order of evaluation.
    """

    name: str
    seed: int | None
    record: Mapping[str, Any]
    images: tuple[CellImageScore, ...]

    @property
    def total(self) -> CellCounts:
        """Sum over the images."""
        return reduce(add, (image.counts for image in self.images))

    @property
    def counts(self) -> Floats:
        """(n, x) of :func:`flat`."""
        return np.stack([flat(image.counts) for image in self.images])


def flat(counts: CellCounts) -> Floats:
    """(x,) float64: all counts in a row, whose sums :func:`score_arrays` reads."""
    overlap, boundary, cells = counts.overlap, counts.boundary, counts.instances
    pixels = overlap.both, overlap.truth, overlap.prediction
    contours = boundary.predicted, boundary.predicted_close, boundary.true, boundary.true_close
    found = cells.true_positives, cells.false_positives, cells.false_negatives
    return np.concatenate([np.array([*pixels, *contours], dtype=np.float64), *found])


def score_arrays(sums: Floats) -> dict[str, Floats]:
    """Scores of many sums at once.

    Parameters
    ----------
    sums : ndarray
        (..., x) sums of :func:`flat`.

    Returns
    -------
    dict of ndarray
        (...) for each of :data:`SCORES`, nan where undefined; ``ap_by_iou`` (..., t). Definitions are those
        of :mod:`~napari_construct.metrics.overlap`, :mod:`~napari_construct.metrics.boundary_f1` and
        :mod:`~napari_construct.metrics.instances`.
    """
    both, truth, prediction, drawn, drawn_close, true, true_close = np.moveaxis(sums[..., :7], -1, 0)
    t = len(THRESHOLDS)
    hits, invented, missed = (sums[..., 7 + i * t : 7 + (i + 1) * t] for i in range(3))
    ap = ratio(hits, hits + invented + missed)
    precision, recall = ratio(drawn_close, drawn), ratio(true_close, true)
    close = (drawn_close > 0) & (true_close > 0)
    f1 = np.where(close, ratio(2 * precision * recall, precision + recall), 0.0)
    return {
        "dice": ratio(2 * both, truth + prediction),
        "iou": ratio(both, truth + prediction - both),
        "boundary_f1": np.where(drawn + true > 0, f1, np.nan),
        "ap50": ap[..., THRESHOLDS.index(0.5)],
        "ap75": ap[..., THRESHOLDS.index(0.75)],
        "ap": known_mean(ap, axis=-1),
        CURVE: ap,
    }


def pooled_scores(model: CellModelScores) -> dict[str, Any]:
    """Pixels, contours and cells of all images summed before they are divided; None where undefined."""
    found = score_arrays(model.counts.sum(axis=0))
    curve = dict(zip(curve_names(), map(defined, found[CURVE].tolist()), strict=True))
    return {name: defined(float(found[name])) for name in SCORES} | {CURVE: curve}


def scores_of_images(model: CellModelScores) -> list[dict[str, float | None]]:
    """Each image's own scores."""
    found = score_arrays(model.counts)
    return [{name: defined(found[name][i]) for name in SCORES} for i in range(len(model.images))]


def mean_over_images(model: CellModelScores) -> dict[str, float | None]:
    """Means of the images' own scores; an image where one is undefined is left out of its mean."""
    found = score_arrays(model.counts)
    return {name: defined(float(known_mean(found[name], axis=0))) for name in SCORES}


def curve_names() -> list[str]:
    """``0.50`` to ``0.95``."""
    return [f"{threshold:.2f}" for threshold in THRESHOLDS]
