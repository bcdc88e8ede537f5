"""What an evaluation found, kept per image so that more can be computed from it later."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.metrics.segmentation import Confusion, Scores, scores_from_confusion

ColumnName: TypeAlias = Literal["predicted", "oracle"]


@dataclass(frozen=True, slots=True, eq=False)
class ImageScore:
    """One image of an evaluation.

    Attributes
    ----------
    name : str
        File name.
    predicted, oracle : ndarray
        (k, k + 1) confusion matrices with predicted presence, and with the classes of the mask.
    present, truly_present : tuple of bool
        Per class, as predicted and in the mask.
    presence_scores : tuple of float
        Per class, the image-level probability.
    seconds : float
        Network and both decisions.
    """

    name: str
    predicted: Confusion
    oracle: Confusion
    present: tuple[bool, ...]
    truly_present: tuple[bool, ...]
    presence_scores: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationReport:
    """Scores of a model on images with masks.

    Attributes
    ----------
    classes : ClassTable
        Of the model.
    images : tuple of ImageScore
        In the order of evaluation.
    failures : tuple of (str, str)
        Images that could not be scored, and why; no score counts them.
    notices : tuple of str
        What the user should know.
    record : mapping
        Software, model, settings, ignored values, device, times.
    """

    classes: ClassTable
    images: tuple[ImageScore, ...]
    failures: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)

    def confusion(self, column: ColumnName) -> Confusion:
        """(k, k + 1) int64 sum over all images."""
        k = len(self.classes)
        total = np.zeros((k, k + 1), dtype=np.int64)
        for image in self.images:
            total += image.predicted if column == "predicted" else image.oracle
        return total

    @property
    def predicted(self) -> Scores:
        """What a user gets: the model decides which classes are present."""
        return scores_from_confusion(self.confusion("predicted"))

    @property
    def oracle(self) -> Scores:
        """What the literature prints: the classes of the mask are given."""
        return scores_from_confusion(self.confusion("oracle"))

    def to_dict(self) -> dict[str, Any]:
        """Plain values; undefined scores are None.

        Keys ``predicted`` and ``oracle`` each hold ``miou``, ``mdice``, ``fwiou``, and ``iou`` and
        ``dice`` by class name; ``images`` holds the same two columns for every image.
        """
        names = self.classes.names
        return {
            "predicted": _column(self.predicted, names),
            "oracle": _column(self.oracle, names),
            "confusion": {
                "rows": list(names),
                "columns": [*names, "unlabelled"],
                "predicted": self.confusion("predicted").tolist(),
                "oracle": self.confusion("oracle").tolist(),
            },
            "images": [_image(image, names) for image in self.images],
            "failures": [{"image": name, "error": error} for name, error in self.failures],
            "notices": list(self.notices),
            "record": dict(self.record),
        }

    def to_json(self) -> str:
        """:meth:`to_dict` as indented text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)


def _column(scores: Scores, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "miou": _defined(scores["miou"]),
        "mdice": _defined(scores["mdice"]),
        "fwiou": _defined(scores["fwiou"]),
        "iou": {name: _defined(v) for name, v in zip(names, scores["iou"], strict=True)},
        "dice": {name: _defined(v) for name, v in zip(names, scores["dice"], strict=True)},
    }


def _image(image: ImageScore, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "image": image.name,
        "predicted": _column(scores_from_confusion(image.predicted), names),
        "oracle": _column(scores_from_confusion(image.oracle), names),
        "presence": {
            name: {"predicted": p, "true": t, "score": s}
            for name, p, t, s in zip(
                names, image.present, image.truly_present, image.presence_scores, strict=True
            )
        },
        "seconds": image.seconds,
    }


def _defined(value: float) -> float | None:
    """JSON has no nan."""
    return value if math.isfinite(value) else None
