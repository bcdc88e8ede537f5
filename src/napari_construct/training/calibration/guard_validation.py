"""Limits of a guard that validation data passes: it is the tissue that the model is for.

Few slides say little of how much slides differ. Images of other slides that training had for validation say
more, so the limits rise until 95 of 100 of them pass; they never fall. What is familiar, mean and
covariance, remains that of the training patches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from napari_construct.data.images import read_image
from napari_construct.events import Event, Steps, as_part
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.evidence import glass_steps
from napari_construct.inference.decision.out_of_distribution import tissue_distances
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.guard import WINDOW, Guard, window_features
from napari_construct.training.calibration.guard_limits import KEPT, evenly, limits_of, slide_numbers
from napari_construct.training.calibration.validation import MaskedImages
from napari_construct.training.views.augmentation import centre_view
from napari_construct.training.views.patches import PatchStore

STAGE: Final = "limits"
"""Name of its events."""

MOST_IMAGES: Final = 60
"""Validation images that are looked at, evenly spread."""

MOST_PATCHES: Final = 300
"""The same of patches."""

_BATCH: Final = 16


def raised_steps(
    guard: Guard,
    predictor: Predictor,
    images: MaskedImages | None = None,
    patches: PatchStore | None = None,
    groups: Sequence[str] | None = None,
) -> Steps[Guard]:
    """The guard with limits that 95 of 100 images, and of 100 patches, pass; labels and masks are not used.

    Parameters
    ----------
    guard : Guard
        As made from training patches.
    predictor : Predictor
        The model, with or without this guard.
    images : MaskedImages, optional
        Validation images.
    patches : PatchStore, optional
        Validation patches; each is an image of one window.
    groups : sequence of str, optional
        Slide or patient of every patch, where known.

    Yields
    ------
    Event
        Stage "limits".
    """
    if images is not None:
        guard = yield from _raised_to_images(guard, images, predictor)
    if patches is not None:
        guard = yield from _raised_to_patches(guard, patches, groups, predictor)
    return guard


def _raised_to_images(guard: Guard, data: MaskedImages, predictor: Predictor) -> Steps[Guard]:
    watched = predictor.guarded(guard)
    every = tuple(data.pairs)
    pairs = [every[i] for i in evenly(len(every), MOST_IMAGES)]
    found, windows = [], []
    for done, (path, _) in enumerate(pairs, start=1):
        image, event = read_image(path), Event(STAGE, done, len(pairs), path.name)
        settings = SegmentSettings(mpp=image.mpp or data.mpp, views="one")
        steps = cam_steps(image.pixels, watched, settings, name=path.name, valid=image.valid)
        activation = yield from as_part(steps, event)
        glass = yield from as_part(glass_steps(image.pixels, watched, None), event)
        if image.valid is not None:
            glass |= ~image.valid
        if activation.distances is not None and not glass.all():
            found.append(tissue_distances(activation.distances, activation, glass).astype(np.float64))
            windows.append(found[-1].size / activation.distance_window**2)
        yield event
    if not found:
        return guard
    image_of = np.repeat(np.arange(len(found)), [len(one) for one in found])
    least = limits_of(np.concatenate(found), image_of)
    return raised(guard, least, [float(np.median(one)) for one in found], windows)


def _raised_to_patches(
    guard: Guard, patches: PatchStore, groups: Sequence[str] | None, predictor: Predictor
) -> Steps[Guard]:
    model = predictor.network
    chosen, view, scores = evenly(len(patches), MOST_PATCHES), patches.view, []
    for start in range(0, len(chosen), _BATCH):
        raw = patches.batch(chosen[start : start + _BATCH]).to(predictor.device)
        images = centre_view(raw, window=view.window, size=view.size)
        with torch.inference_mode():
            seen = model(images).student
        cell = predictor.spec.multiple
        features = window_features(seen, guard.levels, images, cell, view.size * WINDOW)
        scores.append(np.median(guard.distances(features).cpu().double().numpy(), axis=(1, 2)))
        yield Event(STAGE, min(start + _BATCH, len(chosen)), len(chosen))
    found = np.concatenate(scores)
    names = [patches.paths[i].name for i in chosen]
    slides, _ = slide_numbers(names, [groups[i] for i in chosen] if groups else None)
    return raised(guard, limits_of(found, slides), found.tolist(), [1.0] * len(found))


def raised(
    guard: Guard, least: tuple[float, float, float], scores: Sequence[float], windows: Sequence[float]
) -> Guard:
    """The guard with limits of at least ``least``, and so high that enough images pass.

    Parameters
    ----------
    guard : Guard
        Any.
    least : tuple of float
        Limits for the sizes of :data:`~napari_construct.models.network.guard.SIZES`.
    scores, windows : sequence of float
        Median distance of each image, and how many windows it has.
    """
    one, four, sixteen = (max(pair) for pair in zip(guard.limits, least, strict=True))
    found = replace(guard, limits=(one, four, sixteen))
    shares: NDArray[np.float64] = np.sort(
        [score / found.limit(size) for score, size in zip(scores, windows, strict=True)]
    )
    # a little more, so that rounding flags none of them
    factor = max(float(shares[math.ceil(KEPT * len(shares)) - 1]) * 1.001, 1.0)
    return replace(found, limits=(one * factor, four * factor, sixteen * factor))
