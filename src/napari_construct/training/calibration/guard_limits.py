"""Limits of a guard: the distance that images of slides keep which it was not made from.

Each slide (patient) is left out in turn, and its patches stand for images of one, four and sixteen windows.
Where slides are not known, runs of the sorted names stand in for them, as names mostly begin with the slide,
and the limits are raised.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from napari_construct.models.network.guard import SIZES, Guard, fit_familiar

FOLDS: Final = 10
"""Most parts that are left out in turn."""

RUNS: Final = 5
"""Runs of the sorted names that stand in for slides."""

KEPT: Final = 0.95
"""Share of the images of slides left out that the limits let pass."""

UNKNOWN_SLIDES: Final = 1.35
"""Factor of the limits where slides are not known: neighbours of one slide are in other runs then."""

USUAL: Final = (2.5, 1.8, 1.3)
"""Limits of a model of whose slides nothing is known, for images of 1, 4 and 16 windows."""

USUAL_SLIDES: Final = 16
"""Slides whose say :data:`USUAL` has: of fewer, it decides more than they do."""

_LEAST: Final = 1e-6

_DRAWS: Final = 200
"""Images that are put together of the patches of each slide, for every size."""


def evenly(count: int, most: int) -> list[int]:
    """Indices of at most ``most`` of ``count`` things, evenly spread."""
    found: list[int] = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int)).tolist()
    return found


def slide_numbers(names: list[str], groups: list[str] | None) -> tuple[NDArray[np.intp], int]:
    """Slide of every patch, and how many are known (0 where runs of the names stand in for them)."""
    if groups is not None and len(set(groups)) > 1:
        every, member = np.unique(np.array(groups), return_inverse=True)
        return member.astype(np.intp), len(every)
    order = np.argsort(np.array(names), kind="stable")
    part = np.empty(len(names), dtype=np.intp)
    part[order] = np.arange(len(names)) * RUNS // len(names)
    return part, 0


def left_out_distances(features: NDArray[np.float64], slides: NDArray[np.intp]) -> NDArray[np.float64]:
    """Median distance of the windows of every patch, as it is, from those of other slides.

    Parameters
    ----------
    features : ndarray
        (views, n, windows, d), of which the first view is the patch as it is.
    slides : ndarray
        (n,) slide of every patch.
    """
    d = features.shape[-1]
    part = _parts(slides)
    found = np.empty(len(slides))
    for number in np.unique(part):
        kept, left_out = part != number, part == number
        mean, whitening = fit_familiar(features[:, kept].reshape(-1, d))
        guard = Guard((), torch.arange(d), mean, whitening, (1.0, 1.0, 1.0), 0)
        distances = guard.distances(torch.from_numpy(features[0, left_out])).numpy()
        found[left_out] = np.median(distances, axis=-1)
    return found


def _parts(slides: NDArray[np.intp]) -> NDArray[np.intp]:
    """Part of every patch: whole slides, dealt to the emptiest part, largest first."""
    sizes = np.bincount(slides)
    loads = np.zeros(min(FOLDS, len(sizes)))
    part = np.zeros(len(sizes), dtype=np.intp)
    for slide in np.argsort(-sizes, kind="stable"):
        part[slide] = loads.argmin()
        loads[part[slide]] += sizes[slide]
    return part[slides]


def limits_of(distances: NDArray[np.float64], slides: NDArray[np.intp]) -> tuple[float, float, float]:
    """Median distance that most images of 1, 4, 16 windows of a slide keep; slides count by patches."""
    rng = np.random.default_rng(0)
    found = []
    for size in SIZES:
        medians: list[float] = []
        weights: list[int] = []
        for slide in np.unique(slides):
            own = distances[slides == slide]
            draws = [rng.choice(own, min(size, len(own)), replace=False) for _ in range(_DRAWS)]
            medians.extend(float(np.median(draw)) for draw in draws)
            weights.extend([len(own)] * _DRAWS)
        values = np.array(medians)
        order = np.argsort(values, kind="stable")
        below = np.cumsum(np.array(weights)[order]) / sum(weights)
        found.append(float(values[order[min(int(np.searchsorted(below, KEPT)), len(order) - 1)]]))
    one, four, sixteen = np.minimum.accumulate(found).tolist()
    return one, four, sixteen


def usual_limits(found: tuple[float, float, float], slides: int) -> tuple[float, float, float]:
    """Limits of few slides drawn towards usual ones, as they say little of how much slides differ.

    The logarithm is the mean of theirs and the usual one, weighted by ``slides`` and :data:`USUAL_SLIDES`:
    the posterior mean of a normal mean with a conjugate prior. One odd slide of three would otherwise let
    other tissues pass, and three that are alike would flag the fourth.
    """
    weight = slides / (slides + USUAL_SLIDES)
    one, four, sixteen = (
        math.exp(weight * math.log(max(own, _LEAST)) + (1 - weight) * math.log(usual))
        for own, usual in zip(found, USUAL, strict=True)
    )
    return one, four, sixteen
