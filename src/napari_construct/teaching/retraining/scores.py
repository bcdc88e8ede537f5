"""Scores on left-out strokes, before and after, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.metrics.bootstrap import LEAST_IMAGES, bootstrap_scores, percentile_interval
from napari_construct.metrics.segmentation import confusion_matrix, precision_recall, scores_from_confusion
from napari_construct.teaching.retraining.held_out import Split
from napari_construct.types import LabelImage

Interval = tuple[float, float]

MISTAKES_ONLY: Final = 0.2
"""Share of right pixels up to which left-out strokes say little of how good a model is."""

NOTHING_LEFT_OUT: Final = "Nothing was left out, so it is not known whether the model became better."


@dataclass(frozen=True, slots=True)
class StrokeScores:
    """Scores on painted pixels; fractions from 0 to 1, None where undefined.

    Attributes
    ----------
    classes : tuple of str
        Names of the classes.
    iou, recall : tuple of float or None
        Intersection over union, and share of the painted pixels that got their class, of each class.
    mean_iou, mean_recall : float or None
        Means over the classes.
    interval : tuple of float or None
        95 % interval of ``mean_iou``; None of fewer than five strokes.
    """

    classes: tuple[str, ...]
    iou: tuple[float | None, ...]
    recall: tuple[float | None, ...]
    mean_iou: float | None
    mean_recall: float | None
    interval: Interval | None

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better the new model is on the strokes that were left out.

    Attributes
    ----------
    mean_iou : float or None
        After minus before.
    interval : tuple of float or None
        95 % interval of the paired difference.
    strokes, images : int
        Left-out strokes, and the images that they are in.
    by_image : bool
        Whether nothing was learned from these images.
    drawn : str
        What the interval's draws are of: "strokes" or "images".
    painted_right : float or None
        Share of the left-out painted pixels that the old model had right. Near 0 where people paint mistakes
        only: on these any other model looks better.
    changed : float or None
        Share of the other pixels of these images that the new model gives another class.
    """

    mean_iou: float | None
    interval: Interval | None
    strokes: int
    images: int
    by_image: bool
    drawn: str
    painted_right: float | None = None
    changed: float | None = None

    @property
    def words(self) -> str:
        """What was shown, and no more than that."""
        if not self.strokes or self.mean_iou is None:
            return NOTHING_LEFT_OUT
        elsewhere = (
            ""
            if self.changed is None
            else f" Elsewhere in them {100 * self.changed:.0f} % of the pixels changed."
        )
        return f"{self._shown}{elsewhere}{self._mistakes}"

    @property
    def _shown(self) -> str:
        where = f"in mean IoU on {_count(self.strokes, 'left-out stroke')} of {_count(self.images, 'image')}"
        gain = self.mean_iou or 0.0
        if self.interval is None:
            return f"{gain:+.2f} {where}: too few to say whether the model became better."
        low, high = self.interval
        if low > 0:
            return f"Better by {gain:.2f} ({low:.2f} to {high:.2f}) {where}."
        if high < 0:
            return f"Worse by {-gain:.2f} ({-high:.2f} to {-low:.2f}) {where}."
        return f"No difference shown: {gain:+.2f} ({low:+.2f} to {high:+.2f}) {where}."

    @property
    def _mistakes(self) -> str:
        if self.painted_right is None or self.painted_right > MISTAKES_ONLY:
            return ""
        return (
            " Nearly all of these strokes lie on mistakes of the old model, where any other looks better: "
            "paint some where it is right, too."
        )

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self) | {"words": self.words}


def stroke_matrices(left: Split, labels: Mapping[int, LabelImage], k: int) -> NDArray[np.int64]:
    """(n, k, k + 1) counts of each left-out stroke's pixels, by class and by label."""
    found = np.zeros((len(left.left_out), k, k + 1), np.int64)
    for i, stroke in enumerate(left.left_out):
        seen = np.take(labels[stroke.image], stroke.pixels)
        found[i] = confusion_matrix(np.full(seen.shape, stroke.of_class, np.uint8), seen, k)
    return found


def compare(
    left: Split,
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    classes: Sequence[str],
    seed: int,
    changed: float | None = None,
) -> tuple[StrokeScores, StrokeScores, Difference]:
    """Scores of two models on the same strokes, and their paired difference.

    Draws are of images where at least five have left-out strokes, because strokes of one image are alike;
    else of strokes. ``changed`` is that of :func:`share_changed`.
    """
    images = left.images
    by = "images" if len(images) >= LEAST_IMAGES else "strokes"
    units = [_of_images(left, counts) if by == "images" else counts for counts in (before, after)]
    draws = None
    if len(units[0]) >= LEAST_IMAGES:
        draws = [bootstrap_scores(counts[None], seed=seed)["miou"] for counts in units]
    scores = [
        _scores(counts, classes, None if draws is None else _interval(draws[i]))
        for i, counts in enumerate((before, after))
    ]
    first, second = scores[0].mean_iou, scores[1].mean_iou
    return scores[0], scores[1], Difference(
        None if first is None or second is None else second - first,
        None if draws is None else _interval(draws[1] - draws[0]),
        len(left.left_out),
        len(images),
        left.by_image,
        by,
        _right(before),
        changed,
    )  # fmt: skip


def share_changed(left: Split, before: Mapping[int, LabelImage], after: Mapping[int, LabelImage]) -> float:
    """Share of the pixels outside of left-out strokes that two models give different classes."""
    other, count = 0, 0
    for image in left.images:
        differs = before[image] != after[image]
        for stroke in left.left_out:
            if stroke.image == image:
                np.put(differs, stroke.pixels, [False])
                count -= stroke.pixels.size
        other += int(differs.sum())
        count += differs.size
    return other / max(count, 1)


def _right(counts: NDArray[np.int64]) -> float:
    total = counts.sum(0)
    return float(np.diagonal(total).sum() / max(total.sum(), 1))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _of_images(left: Split, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    owners = np.array([stroke.image for stroke in left.left_out])
    return np.stack([counts[owners == image].sum(0) for image in left.images])


def _scores(counts: NDArray[np.int64], classes: Sequence[str], interval: Interval | None) -> StrokeScores:
    total = counts.sum(0)
    found, (_, recall) = scores_from_confusion(total), precision_recall(total)
    known = recall[~np.isnan(recall)]
    return StrokeScores(
        tuple(classes),
        tuple(map(_number, found["iou"])),
        tuple(map(_number, recall.tolist())),
        _number(found["miou"]),
        float(known.mean()) if known.size else None,
        interval,
    )


def _interval(draws: NDArray[np.float64]) -> Interval | None:
    low, high = (float(end) for end in percentile_interval(draws))
    return None if math.isnan(low) or math.isnan(high) else (low, high)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def scores_of(plain: Mapping[str, Any]) -> StrokeScores:
    """From :meth:`StrokeScores.plain`."""
    interval = plain["interval"]
    return StrokeScores(
        tuple(plain["classes"]),
        tuple(plain["iou"]),
        tuple(plain["recall"]),
        plain["mean_iou"],
        plain["mean_recall"],
        None if interval is None else (interval[0], interval[1]),
    )


def difference_of(plain: Mapping[str, Any]) -> Difference:
    """From :meth:`Difference.plain`."""
    interval = plain["interval"]
    return Difference(
        plain["mean_iou"],
        None if interval is None else (interval[0], interval[1]),
        plain["strokes"],
        plain["images"],
        plain["by_image"],
        plain["drawn"],
        plain["painted_right"],
        plain["changed"],
    )
