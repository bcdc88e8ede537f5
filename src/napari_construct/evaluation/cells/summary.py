"""The content of a report on students as plain values, for JSON, Markdown and HTML.

Keys
----
``kind``, ``schema``, ``truth``
    "cells"; version of these keys; "drawn", or "teacher" where nobody drew cells and the students are
    compared with what their teacher says.
``rows``
    Students and baselines, seeds of one configuration in one row: ``name``, ``kind``, ``models``, ``seeds``,
    ``training`` (encoder, terms, images, images with truth, images that the teacher was shown, teacher);
    ``pooled`` (``dice``, ``iou``, ``boundary_f1``, ``ap50``, ``ap75``, ``ap``, and ``ap_by_iou``) as mean
    over the seeds, ``std`` (n - 1; None for one seed), ``intervals`` (bootstrap over images of that mean),
    ``per_image`` (mean of the images' own scores). Of a student also ``recovery`` (Dice over the teacher's
    Dice: ``value``, ``std``, ``interval``) and ``baseline`` (``name``, and ``gain`` of each score: ``value``,
    ``interval`` on equal draws of images); None without a teacher, a baseline.
``teacher``
    The same scores of the teacher; None without one, or where it stands in for the truth.
``models``
    Each model's own ``pooled`` and ``per_image`` scores, and its record.
``images``
    Each image's own scores: by row (mean over its seeds) and of the teacher.
``failures``, ``notices``, ``record``
    What could not be scored; what the user should know; how it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_construct.evaluation.cells.rows import CellRow, baseline_of
from napari_construct.evaluation.cells.scores import (
    SCORES,
    CellModelScores,
    mean_over_images,
    pooled_scores,
    score_arrays,
    scores_of_images,
)
from napari_construct.evaluation.scores.aggregate import defined, mean_of, std_of
from napari_construct.metrics.bootstrap import (
    LEAST_IMAGES,
    LEVEL,
    RESAMPLES,
    bootstrap_sums,
    percentile_interval,
)
from napari_construct.metrics.ratio import known_mean, ratio

SCHEMA: Final = 1
SEED: Final = 0

Samples = dict[str, npt.NDArray[np.float64]]


def summary(rows: Sequence[CellRow], teacher: CellModelScores | None, truth: str) -> dict[str, Any]:
    """All scores as plain values; undefined ones are None."""
    drawn = {row.name: _samples(row.models) for row in rows}
    taught = {} if teacher is None else _samples([teacher])
    first = rows[0].models[0]
    return {
        "schema": SCHEMA,
        "kind": "cells",
        "truth": truth,
        "rows": [_row(row, rows, teacher, drawn, taught) for row in rows],
        "teacher": None
        if teacher is None
        else {"name": teacher.name, **_scores([teacher], taught), "record": dict(teacher.record)},
        "intervals": {"level": LEVEL, "resamples": RESAMPLES, "seed": SEED},
        "models": [
            {
                "name": model.name,
                "row": row.name,
                "kind": row.kind,
                "seed": model.seed,
                "pooled": pooled_scores(model),
                "per_image": mean_over_images(model),
                "record": dict(model.record),
            }
            for row in rows
            for model in row.models
        ],
        "images": _images(rows, teacher, first),
    }


def _row(
    row: CellRow,
    rows: Sequence[CellRow],
    teacher: CellModelScores | None,
    drawn: dict[str, Samples],
    taught: Samples,
) -> dict[str, Any]:
    found = {
        "name": row.name,
        "kind": row.kind,
        "models": [model.name for model in row.models],
        "seeds": [model.seed for model in row.models],
        "training": _training(row),
        **_scores(row.models, drawn[row.name]),
    }
    if row.kind == "student":
        base, _ = baseline_of(row, rows)
        found["recovery"] = None if teacher is None else _recovery(row, teacher, drawn[row.name], taught)
        found["baseline"] = None if base is None else _gain(row, base, drawn)
    return found


def _training(row: CellRow) -> dict[str, Any]:
    told = row.training
    return {
        "encoder": told.encoder,
        "terms": list(told.settings.get("terms") or ()),
        "images": told.images,
        "images_with_truth": told.images_with_truth,
        "images_taught": told.taught,
        "teacher": told.teacher_name,
        "stopped": told.stopped,
    }


def _scores(models: Sequence[CellModelScores], samples: Samples) -> dict[str, Any]:
    each = [pooled_scores(model) for model in models]
    return {
        "pooled": mean_of(each),
        "std": std_of(each) if len(each) > 1 else None,
        "intervals": {name: _ends(samples.get(name)) for name in SCORES},
        "per_image": mean_of([mean_over_images(model) for model in models]),
    }


def _samples(models: Sequence[CellModelScores]) -> Samples:
    """Bootstrapped scores, mean over the models; equal draws of images for all; empty for too few."""
    if len(models[0].images) < LEAST_IMAGES:
        return {}
    each = [score_arrays(bootstrap_sums(model.counts, seed=SEED)) for model in models]
    return {name: known_mean(np.stack([found[name] for found in each]), axis=0) for name in SCORES}


def _recovery(row: CellRow, teacher: CellModelScores, samples: Samples, taught: Samples) -> dict[str, Any]:
    """Dice of the student over Dice of the teacher; one number a seed, then mean and deviation."""
    best = pooled_scores(teacher)["dice"]
    each = [pooled_scores(model)["dice"] for model in row.models]
    shares = [{"value": None if None in (own, best) or not best else own / best} for own in each]
    both = samples and taught
    return {
        **mean_of(shares),
        "std": std_of(shares)["value"],
        "interval": _ends(ratio(samples["dice"], taught["dice"])) if both else None,
    }


def _gain(row: CellRow, base: CellRow, drawn: dict[str, Samples]) -> dict[str, Any]:
    own, other = (mean_of([pooled_scores(model) for model in r.models]) for r in (row, base))
    samples, before = drawn[row.name], drawn[base.name]
    gain = {
        name: {
            "value": None if None in (own[name], other[name]) else own[name] - other[name],
            "interval": _ends(samples[name] - before[name]) if samples else None,
        }
        for name in SCORES
    }
    return {"name": base.name, "gain": gain}


def _ends(samples: npt.NDArray[np.float64] | None) -> list[float] | None:
    if samples is None:
        return None
    low, high = (defined(float(end)) for end in percentile_interval(samples))
    return None if low is None or high is None else [low, high]


def _images(
    rows: Sequence[CellRow], teacher: CellModelScores | None, first: CellModelScores
) -> list[dict[str, Any]]:
    by_row = {row.name: [scores_of_images(model) for model in row.models] for row in rows}
    taught = None if teacher is None else scores_of_images(teacher)
    found = []
    for i, image in enumerate(first.images):
        cells = image.counts.instances
        found.append(
            {
                "image": image.name,
                "cells": int(cells.true_positives[0] + cells.false_negatives[0]),
                "cells_found": int(cells.true_positives[0] + cells.false_positives[0]),
                "rows": {name: mean_of([model[i] for model in models]) for name, models in by_row.items()},
                "teacher": None if taught is None else taught[i],
                "seconds": sum(model.images[i].seconds for row in rows for model in row.models),
            }
        )
    return found
