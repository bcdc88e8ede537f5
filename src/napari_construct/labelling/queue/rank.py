"""Regions ranked by expected gain: doubt x diversity x tissue.

What a label brings depends on how unsure the model is there, on whether the same was seen before, and on how
much tissue there is. Doubt alone picks twenty regions of the same border. So regions are chosen greedily:
each time the one whose doubt and tissue, times its distance to all that are known or chosen already, is
largest. Distances are those of an encoder's pooled features and of stain
(:mod:`~napari_construct.labelling.spread`); this is the choice of k centres (Gonzalez 1985; Sener and
Savarese 2018, arXiv 1708.00489), weighted by doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.events import Event, Notice, Progress, Steps, run
from napari_construct.exceptions import InputError
from napari_construct.labelling.queue.candidates import Candidates, candidate_steps, unseen
from napari_construct.labelling.queue.evidence import ImageEvidence, of_result
from napari_construct.labelling.queue.queue import RegionQueue
from napari_construct.labelling.queue.regions import Region
from napari_construct.labelling.queue.settings import QueueSettings
from napari_construct.labelling.spread import looks, stain_of
from napari_construct.types import FloatArray

_LOOKED_AT: Final = 10
"""Regions, per one of the queue, that an encoder looks at: those of the largest doubt and tissue."""
_LEAST: Final = 64
_MOST: Final = 2000
_BATCH: Final = 16
_SIDE: Final = 224


def rank_regions(
    results: Any,
    settings: QueueSettings | None = None,
    *,
    images: Any = None,
    known: Sequence[Region] = (),
    device: str = "auto",
    progress: Progress = None,
    **changes: Any,
) -> RegionQueue:
    """Rank the regions of images by what a look at them is expected to bring.

    Parameters
    ----------
    results : path, result, ImageEvidence, or a sequence of these
        Results with probabilities or class maps: of this session, or stored, of images and of slides.
    settings : QueueSettings, optional
        The defaults otherwise.
    images : path, array, or a sequence of these, optional
        The images of the results, in their order; without them diversity goes by the classes alone.
    known : sequence of Region
        What was annotated already: it is not ranked again, and what looks like it comes later.
    device : str
        Of the encoder.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.
    **changes
        Fields of the settings.

    Returns
    -------
    RegionQueue
        At most ``count`` regions, the best first.

    Raises
    ------
    InputError
        If a result cannot be read, or has neither probabilities nor class maps.
    """
    checked = (settings or QueueSettings()).changed(**changes)
    many = list(results) if isinstance(results, list | tuple) else [results]
    shown = list(images) if isinstance(images, list | tuple) else [images]
    if images is None:
        shown = [None] * len(many)
    if len(shown) != len(many):
        raise InputError(
            f"expected an image for each of {len(many)} result(s), got {len(shown)}; name all of them"
        )
    found = [
        one if isinstance(one, ImageEvidence) else of_result(one, image)
        for one, image in zip(many, shown, strict=True)
    ]
    return run(rank_steps(found, checked, known=known, device=device), progress)


def rank_steps(
    images: Sequence[ImageEvidence],
    settings: QueueSettings,
    *,
    known: Sequence[Region] = (),
    device: str = "auto",
) -> Steps[RegionQueue]:
    """:func:`rank_regions` of evidence as a job; yields stages "doubt" and "looks".

    Raises
    ------
    InputError
        If two images have one name, or none has a region with enough tissue.
    """
    names = [one.name for one in images]
    if len(set(names)) < len(names):
        raise InputError(f"expected images of different names, got {', '.join(names[:5])}; rename them")
    candidates: list[Candidates] = []
    for one in images:
        laid = yield from candidate_steps(one, settings)
        candidates.append(laid)
    there = unseen(candidates, known)
    if not there:
        raise InputError(
            "expected regions with enough tissue that were not looked at yet, got none; make them "
            "smaller, or let less tissue do (--side, --min-tissue)"
        )
    gains = np.array([candidates[image].regions[i].gain for image, i in there])
    most = min(_MOST, max(_LEAST, _LOOKED_AT * settings.count))
    best = np.argsort(-gains, kind="stable")[:most].tolist()
    chosen_from = [there[i] for i in best]
    regions = [candidates[image].regions[i] for image, i in chosen_from]
    seen = [one for one in known if one.source in names]
    features = yield from _looks(images, candidates, [*regions, *seen], chosen_from, settings, device)
    order = greedy(gains[best], features[: len(regions)], features[len(regions) :], settings)
    ranked = [replace(regions[i], gain=gain, diversity=diversity) for i, gain, diversity in order]
    return RegionQueue(settings, tuple(ranked))


def greedy(
    gains: NDArray[Any], features: FloatArray, known: FloatArray, settings: QueueSettings
) -> list[tuple[int, float, float]]:
    """Choose regions one after another.

    Parameters
    ----------
    gains : ndarray
        (n,): doubt x tissue.
    features, known : ndarray
        (n, d) and (m, d): of the regions, and of what was annotated.
    settings : QueueSettings
        ``count`` and ``diversity``.

    Returns
    -------
    list of (index, gain, diversity)
        In the order of the choice. Diversity is the distance to the nearest known or chosen one, over the
        usual distance of two (root mean square); at most 1.
    """
    points = np.asarray(features, np.float64)
    variance = ((points - points.mean(axis=0)) ** 2).sum(axis=1).mean() if len(points) else 0.0
    usual = float(np.sqrt(2 * variance)) or 1.0
    nearest = np.full(len(points), np.inf)
    for one in np.asarray(known, np.float64):
        nearest = np.minimum(nearest, np.sqrt(((points - one) ** 2).sum(axis=1)))
    left = np.ones(len(points), bool)
    found: list[tuple[int, float, float]] = []
    while len(found) < min(settings.count, len(points)):
        diversity = np.minimum(nearest / usual, 1.0)
        worth = np.where(left, gains * diversity**settings.diversity, -1.0)
        i = int(np.argmax(worth))
        found.append((i, float(worth[i]), float(diversity[i])))
        left[i] = False
        nearest = np.minimum(nearest, np.sqrt(((points - points[i]) ** 2).sum(axis=1)))
    return found


def _looks(
    images: Sequence[ImageEvidence],
    candidates: Sequence[Candidates],
    regions: Sequence[Region],
    places: Sequence[tuple[int, int]],
    settings: QueueSettings,
    device: str,
) -> Steps[FloatArray]:
    """(n, d): what regions look like, or which classes they hold where pixels are not here."""
    by_name = {one.name: one for one in images}
    if settings.diversity == 0:
        return np.zeros((len(regions), 1), np.float32)
    if any(one.pixels is None for one in images):
        said = "the images are not here, so regions differ by their classes alone; name the images (--image)"
        yield Notice("looks", 0, 1, said)
        shares = np.zeros((len(regions), max(len(one.classes) for one in images)), np.float32)
        for i, (image, number) in enumerate(places):
            row = candidates[image].shares[number]
            shares[i, : len(row)] = row
        for i, region in enumerate(regions[len(places) :], len(places)):
            of = next(c for one, c in zip(images, candidates, strict=True) if one.name == region.source)
            near = [n for n, one in enumerate(of.regions) if one.overlaps(region)]
            if near:
                shares[i, : of.shares.shape[1]] = of.shares[near].mean(axis=0)
        return shares
    from napari_construct.labelling.texture import TextureEncoder

    yield Event("looks", 0, len(regions))
    encoder = TextureEncoder(settings.encoder, device)
    texture, stain = [], []
    for first in range(0, len(regions), _BATCH):
        some = regions[first : first + _BATCH]
        patches = [_pixels(by_name[one.source], one) for one in some]
        texture.append(encoder(patches))
        stain += [stain_of(patch) for patch in patches]
        yield Event("looks", min(first + _BATCH, len(regions)), len(regions))
    return looks(np.concatenate(texture), np.stack(stain))


def _pixels(image: ImageEvidence, region: Region) -> Any:
    if image.pixels is None:
        raise InputError(f"{image.name}: expected its pixels, got none; name the image")
    return image.pixels(region.row, region.column, region.height, region.width, _SIDE)
