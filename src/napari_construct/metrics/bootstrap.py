"""How far scores would move with other images: the bootstrap over images.

The images of a data set are a sample. Drawing as many of them again, with replacement, many times, and
scoring every draw shows the spread that this sampling alone gives (Efron 1979; percentile intervals as in
Efron and Tibshirani 1993, chapter 13). Confusion matrices of whole images are drawn, never pixels:
neighbouring pixels repeat each other, and counting them as independent would give intervals that are far
too narrow. Images of one patient are not independent either, so the intervals are too narrow still where
patients give several.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_construct.exceptions import InputError
from napari_construct.metrics.ratio import known_mean
from napari_construct.metrics.segmentation import ScoreName, score_arrays

RESAMPLES: Final = 2000
LEVEL: Final = 0.95
LEAST_IMAGES: Final = 5
"""Of fewer images, draws repeat each other so much that an interval would mean nothing."""
_AT_ONCE: Final = 250
"""Draws in memory together; part of the seed's meaning, because draws come from one stream."""


def bootstrap_scores(
    matrices: npt.NDArray[np.integer[Any]], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[ScoreName, npt.NDArray[np.float64]]:
    """Scores of resampled sets of images.

    Parameters
    ----------
    matrices : ndarray
        (m, n, k, k + 1) counts of m models on the same n images; every draw of images is scored for
        each model, and the scores are averaged over the models.
    resamples : int
        Number of draws.
    seed : int
        Equal seeds draw equal images: differences between two calls are paired.

    Returns
    -------
    dict of ndarray
        ``miou``, ``mdice``, ``fwiou`` (resamples,); ``iou``, ``dice`` (resamples, k). A class that a
        draw lacks is nan there.
    """
    counts = np.asarray(matrices)
    if counts.ndim != 4 or not counts.shape[0] or not counts.shape[1]:
        raise InputError(
            f"expected matrices of shape (models, images, k, k + 1), got {counts.shape}; "
            "give one confusion matrix per model and image"
        )
    m, n, k, columns = counts.shape
    flat = counts.reshape(m, n, k * columns).astype(np.float64)  # exact below 2^53 pixels
    parts: list[dict[ScoreName, npt.NDArray[np.float64]]] = []
    for times in _draws(n, resamples, seed):
        scores = score_arrays((times @ flat).reshape(m, len(times), k, columns))
        parts.append({name: known_mean(values, axis=0) for name, values in scores.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def bootstrap_sums(
    counts: npt.NDArray[np.number[Any]], *, resamples: int = RESAMPLES, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Sums of counts over resampled sets of images.

    Parameters
    ----------
    counts : ndarray
        (n, x): x counts of each of n images.
    resamples : int
        Number of draws.
    seed : int
        Equal seeds draw equal images, as :func:`bootstrap_scores` does.

    Returns
    -------
    ndarray
        (resamples, x) float64.
    """
    values = np.asarray(counts, dtype=np.float64)
    if values.ndim != 2 or not len(values):
        raise InputError(f"expected counts of shape (images, x), got {values.shape}; give one row an image")
    return np.concatenate([times @ values for times in _draws(len(values), resamples, seed)])


def _draws(n: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """How often each of n images is in each draw, (draws, n)."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, _AT_ONCE):
        draws = min(_AT_ONCE, resamples - start)
        yield random.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)


def percentile_interval(
    samples: npt.NDArray[np.float64], level: float = LEVEL
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower and upper end of the central ``level`` of samples along the first axis, undefined ones left out.

    nan where fewer than half of the samples are defined: the class is in too few images to say.
    """
    samples = np.asarray(samples, dtype=np.float64)
    enough = 2 * (~np.isnan(samples)).sum(axis=0) > len(samples)
    filled = np.where(enough, samples, 0.0)
    low, high = np.nanquantile(filled, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)
