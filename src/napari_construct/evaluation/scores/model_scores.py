"""Scores of one model, and their mean over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from napari_construct.evaluation.scores.image_score import ColumnName, ImageScore
from napari_construct.evaluation.scores.structures import SmallStructures
from napari_construct.metrics.presence import PresenceCounts, presence_counts
from napari_construct.metrics.ratio import known_mean
from napari_construct.metrics.reliability import Reliability
from napari_construct.metrics.segmentation import Confusion, Scores, scores_from_confusion


@dataclass(frozen=True, slots=True, eq=False)
class ModelScores:
    """Scores of one model.

    Attributes
    ----------
    name : str
        Distinct name in the report.
    record : mapping
        Its identity: hashes, preset, encoder, classes, resolution.
    images : tuple of ImageScore
        In the order of evaluation.
    """

    name: str
    record: Mapping[str, Any]
    images: tuple[ImageScore, ...]

    def confusions(self, column: ColumnName, *, before_crf: bool = False) -> Confusion:
        """(n, k, k + 1) int64, one matrix per image."""
        return np.stack([image.confusion(column, before_crf=before_crf) for image in self.images])

    def scores(self, column: ColumnName, *, before_crf: bool = False) -> Scores:
        """Of the summed matrices of all images."""
        return scores_from_confusion(self.confusions(column, before_crf=before_crf).sum(axis=0))

    def reliability(self, column: ColumnName) -> Reliability:
        """Histograms over all images."""
        index = 0 if column == "predicted" else 1
        return reduce(add, (image.reliability[index] for image in self.images))

    @property
    def has_crf(self) -> bool:
        """Whether masks were refined."""
        return self.images[0].predicted_before is not None

    @property
    def structures(self) -> SmallStructures | None:
        """Over all images; None without CRF."""
        known = [image.structures for image in self.images if image.structures is not None]
        return reduce(add, known) if known else None

    @property
    def presence_in_images(self) -> PresenceCounts:
        """Decisions about whole images."""
        k = len(self.images[0].present)
        true, found = ([getattr(i, name) for i in self.images] for name in ("truly_present", "present"))
        return presence_counts(true, found, k)

    @property
    def presence_in_patches(self) -> PresenceCounts:
        """Decisions about windows as large as a training patch."""
        k = len(self.images[0].present)
        return reduce(add, (presence_counts(i.patches.true, i.patches.predicted, k) for i in self.images))


def total_confusion(models: Sequence[ModelScores], column: ColumnName) -> Confusion:
    """(k, k + 1) int64 sum over all images and models."""
    total: Confusion = sum(model.confusions(column).sum(axis=0) for model in models)
    return total


def mean_scores(scores: list[Scores]) -> Scores:
    """Mean of each score over models; what is undefined in a model is left out."""

    def mean(values: list[Any]) -> Any:
        return known_mean(np.array(values, dtype=np.float64), axis=0).tolist()

    return Scores(
        miou=mean([s["miou"] for s in scores]),
        mdice=mean([s["mdice"] for s in scores]),
        fwiou=mean([s["fwiou"] for s in scores]),
        iou=mean([s["iou"] for s in scores]),
        dice=mean([s["dice"] for s in scores]),
    )
