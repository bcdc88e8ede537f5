"""From distances to the training patches to a decision: whether the model knows such images."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage

from napari_construct.events import Doubt
from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.evidence import Mask
from napari_construct.models.network.guard import Guard
from napari_construct.results.out_of_distribution import DistanceGrid, OutOfDistribution
from napari_construct.types import FloatArray

MOSTLY: Final = 0.75
"""Share of tissue from which a window counts: beside glass, features are those of an edge."""


def distance_grid(activation: Activation) -> DistanceGrid | None:
    """The map of distances; None of models without a guard."""
    if activation.distances is None:
        return None
    return DistanceGrid(activation.distances, activation.distance_cells, activation.shape)


def out_of_distribution(
    activation: Activation, predictor: Predictor, glass: Mask
) -> OutOfDistribution | None:
    """Score of an image; None of models without a guard.

    It is the median over the windows that are mostly tissue, so that an image is out of distribution where
    more than half of its tissue is. Glass has no say, unless there is nothing else.

    Parameters
    ----------
    activation, predictor : Activation, Predictor
        The distances, and the model with its limit.
    glass : ndarray
        (h, w) bool, where there is no tissue.
    """
    guard = predictor.checkpoint.guard
    if activation.distances is None or guard is None:
        return None
    tissue = _at_windows(activation.distances, activation, glass)
    return judge_distances(activation.distances, tissue, activation.distance_window, guard)


def judge_distances(distances: FloatArray, tissue: Mask, window: float, guard: Guard) -> OutOfDistribution:
    """Score of a map of distances.

    Parameters
    ----------
    distances : ndarray
        (rows, columns) float32.
    tissue : ndarray
        (rows, columns) bool, at the centres of its cells.
    window : float
        Side of a training patch in cells.
    guard : Guard
        With the limits.
    """
    found = distances[_mostly(tissue, window)]
    limit = guard.limit(found.size / window**2)
    return OutOfDistribution(float(np.median(found)), limit, float((found > limit).mean()))


def tissue_distances(distances: FloatArray, activation: Activation, glass: Mask) -> FloatArray:
    """(n,) distances of the windows that count: those that are mostly tissue, or hold the most of it."""
    chosen = _mostly(_at_windows(distances, activation, glass), activation.distance_window)
    found: FloatArray = distances[chosen]
    return found


def _at_windows(distances: FloatArray, activation: Activation, glass: Mask) -> Mask:
    """Where the centres of the cells lie on tissue."""
    centres = np.ix_(
        *(
            np.minimum((np.arange(n) + 0.5) * side / cells, side - 1).astype(np.intp)
            for n, side, cells in zip(
                distances.shape, activation.shape, activation.distance_cells, strict=True
            )
        )
    )
    tissue: Mask = ~glass[centres]
    return tissue


def _mostly(tissue: Mask, window: float) -> Mask:
    """The cells whose windows hold mostly tissue; those with the most where none does."""
    if not tissue.any():
        return np.ones_like(tissue)
    side = max(round(window), 1)
    share = ndimage.uniform_filter(tissue.astype(np.float32), side, mode="nearest")
    share[~tissue] = 0
    chosen: Mask = share >= min(MOSTLY, float(share.max()))
    return chosen


def warning(
    found: OutOfDistribution | None,
    name: str,
    model: str,
    *,
    any_tissue: bool,
    look: str = "look at the distance map",
) -> tuple[str, ...]:
    """One sentence on an image that is out of distribution; nothing otherwise.

    Parameters
    ----------
    found : OutOfDistribution or None
        Its score.
    name, model : str
        Of image and model.
    any_tissue : bool
        Whether there is anything but glass.
    look : str
        How to see where the image is unlike the training patches.
    """
    if found is None or not found.flagged:
        return ()
    if not any_tissue:
        return (Doubt(f"{name}: no tissue was found, only glass or white; choose another region or image"),)
    sentence = (
        f"{name}: the model {model} does not know this tissue: it is out of distribution (distance "
        f"{found.score:.2f} from the training patches, limit {found.limit:.2f}); do not rely on the result, "
        f"but train on patches of this tissue, choose another model, or {look}"
    )
    return (Doubt(sentence),)
