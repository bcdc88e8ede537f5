"""The result of an evaluation, kept per model and image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_construct.classes import ClassTable
from napari_construct.evaluation.scores.examples import Example
from napari_construct.evaluation.scores.image_score import ColumnName, ImageScore
from napari_construct.evaluation.scores.model_scores import ModelScores, mean_scores, total_confusion
from napari_construct.metrics.segmentation import Confusion, Scores


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
        Images that could not be scored, with reasons; they enter no score.
    notices : tuple of str
        Notices for the user.
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

    def __repr__(self) -> str:
        counts = f"{len(self.models)} model(s), {len(self.images)} image(s), {len(self.failures)} failed"
        return (
            f"EvaluationReport({counts}; mIoU {self.predicted['miou']:.3f}, oracle {self.oracle['miou']:.3f})"
        )

    @property
    def images(self) -> tuple[ImageScore, ...]:
        """Of the first model."""
        return self.models[0].images

    def confusion(self, column: ColumnName) -> Confusion:
        """(k, k + 1) int64 sum over all images and models."""
        return total_confusion(self.models, column)

    @property
    def predicted(self) -> Scores:
        """Scores with predicted presence. Mean over the models."""
        return mean_scores([model.scores("predicted") for model in self.models])

    @property
    def oracle(self) -> Scores:
        """Scores with the classes of the mask given, as published tables have. Mean over the models."""
        return mean_scores([model.scores("oracle") for model in self.models])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; :mod:`~napari_construct.evaluation.report.summary` lists the keys."""
        from napari_construct.evaluation.report.summary import summary

        return {
            **summary(self.models, self.classes.names),
            "failures": [{"image": name, "error": error} for name, error in self.failures],
            "notices": list(self.notices),
            "record": dict(self.record),
        }

    def to_json(self) -> str:
        """:meth:`to_dict` as indented text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def to_markdown(self) -> str:
        """The tables as GitHub's Markdown."""
        from napari_construct.evaluation.report.markdown import markdown

        return markdown(self.to_dict())

    def to_html(self) -> str:
        """One page with tables, plots and pictures that needs no other file and no network."""
        from napari_construct.evaluation.report.html import html

        return html(self.to_dict(), self.classes, self.worst, self.best)
