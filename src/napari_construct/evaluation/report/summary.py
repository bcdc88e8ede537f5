"""The content of a report as plain values, for JSON, Markdown and HTML.

Keys
----
``predicted``, ``oracle``
    ``miou``, ``mdice``, ``fwiou``, and ``iou`` and ``dice`` by class name; fractions, None where undefined;
    the mean over the models.
``std``
    The same two columns: standard deviation over the models (n - 1); None for a single model.
``intervals``
    The same two columns with ``[low, high]``: bootstrap over images of the mean over the models; with
    ``level``, ``resamples`` and ``seed``.
``before_crf``
    None without CRF; otherwise both columns before the CRF, their ``intervals``, and ``gain``: what the
    CRF added to ``miou``, with the interval of this difference on equal draws of images.
``presence``
    ``images`` and ``patches``: ``n``, ``macro_f1``, and ``precision``, ``recall`` and ``f1`` by class; with
    ``fraction``, the rule of truth.
``calibration``
    ``predicted`` and ``oracle``: ``ece`` of the top label, ``ece_by_class``, and ``curve``, the reliability
    diagram of the top label.
``structures``
    None without CRF; otherwise ``sizes`` and, by class, counts per size (see
    :mod:`~napari_construct.evaluation.scores.structures`).
``confusion``
    ``rows``, ``columns``, and counts of ``predicted`` and ``oracle``, summed over the models.
``models``, ``images``, ``failures``, ``notices``, ``record``
    Each model's and each image's own scores; what could not be scored; what the user should know; how it
    was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_construct.evaluation.scores.aggregate import defined, mean_of, std_of
from napari_construct.evaluation.scores.image_score import COLUMNS, ColumnName, ImageScore, score_of_present
from napari_construct.evaluation.scores.model_scores import ModelScores, total_confusion
from napari_construct.evaluation.scores.patches import FRACTION
from napari_construct.evaluation.scores.structures import size_names
from napari_construct.metrics.bootstrap import (
    LEAST_IMAGES,
    LEVEL,
    RESAMPLES,
    bootstrap_scores,
    percentile_interval,
)
from napari_construct.metrics.presence import PresenceCounts
from napari_construct.metrics.ratio import known_mean
from napari_construct.metrics.reliability import Reliability
from napari_construct.metrics.segmentation import ScoreName, Scores, scores_from_confusion

SCHEMA = 2
SEED = 0
Names = tuple[str, ...]
Models = Sequence[ModelScores]


def summary(models: Models, names: Names) -> dict[str, Any]:
    """All scores of models on the same images as plain values; undefined ones are None."""
    each = [model_summary(model, names) for model in models]
    mean, std = mean_of(each), std_of(each)
    intervals = {column: _intervals(models, column, names, before_crf=False) for column in COLUMNS}
    return {
        "schema": SCHEMA,
        "predicted": mean["predicted"],
        "oracle": mean["oracle"],
        "std": {column: std[column] for column in COLUMNS} if len(each) > 1 else None,
        "intervals": {**intervals, "level": LEVEL, "resamples": RESAMPLES, "seed": SEED},
        "before_crf": _before_crf(models, names, mean),
        "presence": {**mean["presence"], "fraction": FRACTION, "std": _std(std["presence"], each)},
        "calibration": {
            column: {**mean["calibration"][column], "curve": _curve(models, column)} for column in COLUMNS
        }
        | {"std": _std(std["calibration"], each)},
        "structures": _structures(models, names) if models[0].has_crf else None,
        "confusion": {
            "rows": list(names),
            "columns": [*names, "unlabelled"],
            **{column: total_confusion(models, column).tolist() for column in COLUMNS},
        },
        "models": [
            {"name": model.name, **values, "record": dict(model.record)}
            for model, values in zip(models, each, strict=True)
        ],
        "images": [_image([m.images[i] for m in models], names) for i in range(len(models[0].images))],
    }


def model_summary(model: ModelScores, names: Names) -> dict[str, Any]:
    """The numbers of one model, before they are averaged."""
    found: dict[str, Any] = {column: column_of(model.scores(column), names) for column in COLUMNS}
    if model.has_crf:
        found["before_crf"] = {
            column: column_of(model.scores(column, before_crf=True), names) for column in COLUMNS
        }
    found["presence"] = {
        "images": _presence(model.presence_in_images, names),
        "patches": _presence(model.presence_in_patches, names),
    }
    found["calibration"] = {column: _errors(model.reliability(column), names) for column in COLUMNS}
    return found


def column_of(scores: Scores, names: Names) -> dict[str, Any]:
    """One column: means, and IoU and Dice by class name."""
    return {
        "miou": defined(scores["miou"]),
        "mdice": defined(scores["mdice"]),
        "fwiou": defined(scores["fwiou"]),
        "iou": _by_class(scores["iou"], names),
        "dice": _by_class(scores["dice"], names),
    }


def _by_class(values: Any, names: Names) -> dict[str, float | None]:
    return {name: defined(value) for name, value in zip(names, values, strict=True)}


def _std(values: dict[str, Any], each: list[dict[str, Any]]) -> dict[str, Any] | None:
    return values if len(each) > 1 else None


def _before_crf(models: Models, names: Names, mean: dict[str, Any]) -> dict[str, Any] | None:
    """Both columns before the CRF, and what it added; None without CRF."""
    if not models[0].has_crf:
        return None
    gain: dict[str, Any] = {}
    for column in COLUMNS:
        pair = mean[column]["miou"], mean["before_crf"][column]["miou"]
        samples = [_samples(models, column, before_crf=before) for before in (False, True)]
        ends = None
        if samples[0] and samples[1]:
            ends = _pair(percentile_interval(samples[0]["miou"] - samples[1]["miou"]))
        gain[column] = {"miou": None if None in pair else pair[0] - pair[1], "interval": ends}
    intervals = {column: _intervals(models, column, names, before_crf=True) for column in COLUMNS}
    return {**mean["before_crf"], "intervals": intervals, "gain": gain}


def _samples(models: Models, column: ColumnName, *, before_crf: bool) -> dict[ScoreName, Any]:
    """Bootstrapped scores; equal draws for every column, before and after; empty for too few images."""
    if len(models[0].images) < LEAST_IMAGES:
        return {}
    matrices = np.stack([m.confusions(column, before_crf=before_crf) for m in models])
    return bootstrap_scores(matrices, seed=SEED)


def _intervals(models: Models, column: ColumnName, names: Names, *, before_crf: bool) -> dict[str, Any]:
    samples = _samples(models, column, before_crf=before_crf)

    def ends(score: ScoreName, i: int | None = None) -> list[float] | None:
        if not samples:
            return None
        return _pair(percentile_interval(samples[score] if i is None else samples[score][:, i]))

    return {
        "miou": ends("miou"),
        "mdice": ends("mdice"),
        "fwiou": ends("fwiou"),
        "iou": {name: ends("iou", i) for i, name in enumerate(names)},
        "dice": {name: ends("dice", i) for i, name in enumerate(names)},
    }


def _pair(ends: tuple[Any, Any]) -> list[float] | None:
    low, high = defined(float(ends[0])), defined(float(ends[1]))
    return None if low is None or high is None else [low, high]


def _presence(counts: PresenceCounts, names: Names) -> dict[str, Any]:
    scores = counts.scores()
    return {
        "n": counts.n,
        "macro_f1": defined(scores["macro_f1"]),
        "precision": _by_class(scores["precision"], names),
        "recall": _by_class(scores["recall"], names),
        "f1": _by_class(scores["f1"], names),
    }


def _errors(found: Reliability, names: Names) -> dict[str, Any]:
    errors = found.errors
    scored = int(found.count[0].sum()) + found.without_probability
    return {
        "ece": defined(errors[0]),
        "ece_by_class": _by_class(errors[1:], names),
        "without_probability": found.without_probability / scored if scored else None,
    }


def _curve(models: Models, column: ColumnName) -> list[dict[str, float | None]]:
    """Bins of the top label over all models: borders, share of the pixels, confidence, accuracy."""
    total = sum((m.reliability(column) for m in models[1:]), models[0].reliability(column))
    bins = total.count.shape[1]
    share = total.count[0] / max(int(total.count[0].sum()), 1)
    return [
        {
            "from": i / bins,
            "to": (i + 1) / bins,
            "share": float(share[i]),
            "confidence": defined(total.mean_confidence[0, i]),
            "accuracy": defined(total.accuracy[0, i]),
        }
        for i in range(bins)
    ]


def _structures(models: Models, names: Names) -> dict[str, Any]:
    known = [model.structures for model in models if model.structures is not None]
    total = sum(known[1:], known[0])
    return {
        "sizes": size_names(),
        "classes": {
            name: {
                "regions": total.regions[i].tolist(),
                "erased": total.erased[i].tolist(),
                "true_regions": total.true_regions[i].tolist(),
                "found_before_crf": total.found_before[i].tolist(),
                "found_after_crf": total.found_after[i].tolist(),
            }
            for i, name in enumerate(names)
        },
    }


def _image(scores: list[ImageScore], names: Names) -> dict[str, Any]:
    """One image: both columns as means over the models, presence as the first model says."""
    first = scores[0]
    columns: dict[str, Any] = {
        column: mean_of([column_of(scores_from_confusion(s.confusion(column)), names) for s in scores])
        for column in COLUMNS
    }
    of_present = known_mean(np.array([score_of_present(s.predicted) for s in scores]), axis=0)
    flags = zip(names, first.present, first.truly_present, first.presence_scores, strict=True)
    return {
        "image": first.name,
        **columns,
        "iou_of_present": defined(float(of_present)),
        "presence": {name: {"predicted": p, "true": t, "score": s} for name, p, t, s in flags},
        "seconds": sum(s.seconds for s in scores),
    }
