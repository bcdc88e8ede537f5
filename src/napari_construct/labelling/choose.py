"""From all places of all images to the patches that are cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_construct.events import Doubt, Event, Notice, Steps
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.labelling.places import Places, Square, places_of
from napari_construct.labelling.settings import CutSettings
from napari_construct.labelling.sources import PatchSource
from napari_construct.labelling.spread import looks, spread_choice, stacked, stain_of
from napari_construct.types import FloatArray, RGBImage


@dataclass(frozen=True, slots=True)
class Chosen:
    """A patch that is to be cut: of which source, its first pixel there, and its size."""

    source: int
    row: int
    column: int
    square: Square


def chosen_steps(
    sources: Sequence[PatchSource], settings: CutSettings, device: str = "auto"
) -> Steps[tuple[Chosen, ...]]:
    """Choose patches.

    At most ``settings.candidates`` are read, as evenly from all sources as these have places; the draw
    follows from the seed. An image that cannot be read does not stop the others.

    Yields
    ------
    Event
        Stages "finding tissue" and "looking at patches"; a ``Notice`` for what an image says.

    Returns
    -------
    tuple of Chosen
        In the order of the choice, of which every start is spread.

    Raises
    ------
    ConfigurationError
        If no image has a patch.
    """
    candidates = yield from _candidates_steps(sources, settings)
    if not candidates:
        raise ConfigurationError(
            "expected at least one patch with tissue in the images, got none; give other images, make the "
            f"patches smaller (side), or take less tissue (min_tissue, now {settings.min_tissue:g})"
        )
    if len(candidates) <= settings.count and settings.choice == "random":
        return tuple(candidates)
    if settings.choice == "random":
        drawn = np.random.default_rng(settings.seed + 1).permutation(len(candidates))[: settings.count]
        return tuple(candidates[int(i)] for i in drawn)
    features, kept = yield from _looks_steps(sources, candidates, settings, device)
    return tuple(kept[i] for i in spread_choice(features, settings.count))


def _candidates_steps(sources: Sequence[PatchSource], settings: CutSettings) -> Steps[list[Chosen]]:
    """What is looked at: places of all sources, as evenly as they have some."""
    stage, rng = "finding tissue", np.random.default_rng(settings.seed)
    found: list[tuple[Square, NDArray[np.int64]]] = []
    for number, source in enumerate(sources):
        yield Event(stage, number, len(sources), source.name)
        places = yield from _places_steps(source, settings, (number, len(sources)))
        corners = np.zeros((0, 2), np.int64) if places is None else places.corners
        if len(corners) > settings.candidates:
            corners = corners[np.sort(rng.permutation(len(corners))[: settings.candidates])]
        found.append((Square(0, 0, (0, 0), None) if places is None else places.square, corners))
    yield Event(stage, len(sources), len(sources))
    wanted = max(settings.candidates, settings.count)
    counts = shared_out(wanted, [len(corners) for _, corners in found])
    return [
        Chosen(number, int(corners[i, 0]), int(corners[i, 1]), square)
        for number, ((square, corners), count) in enumerate(zip(found, counts, strict=True))
        for i in np.sort(rng.permutation(len(corners))[:count])
    ]


def _places_steps(source: PatchSource, settings: CutSettings, place: tuple[int, int]) -> Steps[Places | None]:
    """The places of a source; None, with a notice, where it cannot be read."""
    try:
        with source.opened(settings.image_mpp) as opened:
            places = places_of(opened, settings, source.name)
    except ConfigurationError:
        raise  # settings that fit no image
    except (ConstructError, OSError) as error:
        yield Notice("finding tissue", *place, Doubt(_said(source.name, error)), image=source.name)
        return None
    for text in places.notices:
        yield Notice("finding tissue", *place, text, image=source.name)
    return places


def _looks_steps(
    sources: Sequence[PatchSource], candidates: Sequence[Chosen], settings: CutSettings, device: str
) -> Steps[tuple[FloatArray, list[Chosen]]]:
    """How the candidates look, and those that could be read."""
    from napari_construct.labelling.texture import BATCH, TextureEncoder  # loads torch

    stage, total = "looking at patches", len(candidates)
    yield Event(stage, 0, total)
    encoder = TextureEncoder(settings.encoder, device)
    texture: list[FloatArray] = []
    stain: list[FloatArray] = []
    kept: list[Chosen] = []
    batch: list[RGBImage] = []

    def encode() -> None:
        if batch:
            texture.extend(encoder(batch))
            stain.extend(stain_of(one) for one in batch)
            batch.clear()

    done = 0
    for number, own in _by_source(candidates):
        source = sources[number]
        try:
            with source.opened(settings.image_mpp) as opened:
                for one in own:
                    square = one.square
                    patch = opened.read(one.row, one.column, square.height, square.width, square.shape)
                    if batch and patch.shape != batch[0].shape:
                        encode()
                    batch.append(patch)
                    kept.append(one)
                    done += 1
                    if len(batch) == BATCH:
                        encode()
                        yield Event(stage, done, total, source.name)
        except (ConstructError, OSError) as error:
            yield Notice(stage, done, total, Doubt(_said(source.name, error)), image=source.name)
    encode()
    yield Event(stage, total, total)
    width = 0 if not texture else len(texture[0])
    return looks(stacked(texture, width), stacked(stain, 6)), kept


def _by_source(chosen: Sequence[Chosen]) -> Iterator[tuple[int, list[Chosen]]]:
    """Patches by their source, in the order of the sources."""
    groups: dict[int, list[Chosen]] = {}
    for one in chosen:
        groups.setdefault(one.source, []).append(one)
    yield from sorted(groups.items())


def shared_out(total: int, largest: Sequence[int]) -> list[int]:
    """Share a number out as evenly as possible, to each at most so many; less where all have too few."""
    counts, left = [0] * len(largest), total
    for done, i in enumerate(sorted(range(len(largest)), key=lambda i: (largest[i], i))):
        counts[i] = min(largest[i], -(-left // (len(largest) - done)))
        left -= counts[i]
    return counts


def _said(name: str, error: Exception) -> str:
    return f"{name}: {str(error).removeprefix(f'{name}: ')}"
