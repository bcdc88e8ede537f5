"""What an evaluation found, kept per model and image so that more can be computed from it later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.evaluation.examples import Example
from napari_construct.evaluation.image_score import ColumnName, ImageScore
from napari_construct.evaluation.structures import SmallStructures
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
        Tells it from the other models of the report.
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


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationReport:
    """Scores of one model or of several on images with masks.

    Attributes
    ----------
    classes : ClassTable
        Of the models.
    models : tuple of ModelScores
        At least one; all have the same images.
    failures : tuple of (str, str)
        Images that could not be scored, and why; no score counts them.
    notices : tuple of str
        What the user should know.
    record : mapping
        Software, first model, settings, ignored values, device, times.
    worst, best : tuple of Example
        Pictures, by the mean IoU of the classes in the image; predicted labels of the first model.
    """

    classes: ClassTable
    models: tuple[ModelScores, ...]
    failures: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    worst: tuple[Example, ...] = ()
    best: tuple[Example, ...] = ()

    @property
    def images(self) -> tuple[ImageScore, ...]:
        """Of the first model."""
        return self.models[0].images

    def confusion(self, column: ColumnName) -> Confusion:
        """(k, k + 1) int64 sum over all images and models."""
        total: Confusion = sum(model.confusions(column).sum(axis=0) for model in self.models)
        return total

    @property
    def predicted(self) -> Scores:
        """What a user gets: the model decides which classes are present. Mean over the models."""
        return mean_scores([model.scores("predicted") for model in self.models])

    @property
    def oracle(self) -> Scores:
        """What the literature prints: the classes of the mask are given. Mean over the models."""
        return mean_scores([model.scores("oracle") for model in self.models])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; :mod:`~napari_construct.evaluation.summary` lists the keys."""
        from napari_construct.evaluation.summary import summary

        return summary(self)

    def to_json(self) -> str:
        """:meth:`to_dict` as indented text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def to_markdown(self) -> str:
        """The tables as GitHub's Markdown."""
        from napari_construct.evaluation.markdown import markdown

        return markdown(self.to_dict())

    def to_html(self) -> str:
        """One page with tables, plots and pictures that needs no other file and no network."""
        from napari_construct.evaluation.html_report import html

        return html(self.to_dict(), self.classes, self.worst, self.best)


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
