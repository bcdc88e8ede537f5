"""What the network finds on tiles of a slide, each by itself: here, or in other processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from napari_construct.inference.activation.distance_map import DistanceMap
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.stitched_maps import as_batch, look_at
from napari_construct.inference.activation.tiling import Stitcher, Tile
from napari_construct.inference.slides.glass import TISSUE, WHITE, white_pixels
from napari_construct.inference.slides.pixels import Pixels, read_padded
from napari_construct.inference.slides.side_by_side import Threads, threads_for
from napari_construct.inference.workers import Workers
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.refinement.views import View
from napari_construct.types import FloatArray, RGBImage

AHEAD: Final = 4
"""Tiles that are read while the network looks at others."""

TOGETHER: Final = 4
"""Tiles that are sent to another process together."""


@dataclass(frozen=True, slots=True, eq=False)
class TileMaps:
    """Logits (k, gh, gw) and distances (1, h, w) float32, and codes of white (1, gh, gw) uint8 of a tile."""

    logits: FloatArray
    white: NDArray[np.uint8]
    distances: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class Looking:
    """How tiles are looked at; a :class:`~napari_construct.inference.workers.Job` on a few tiles.

    Attributes
    ----------
    pixels : Pixels
        The slide at the model's resolution.
    stride, coarse : int
        Pixels per cell of the logits and of the distances.
    views : tuple of View
        Of every tile; the mean of their logits is kept.
    rule : BackgroundRule
        Where there is no tissue.
    """

    pixels: Pixels
    stride: int
    coarse: int
    views: tuple[View, ...]
    rule: BackgroundRule
    key: str = field(default_factory=lambda: uuid4().hex)

    def __call__(self, predictor: Predictor, tiles: Sequence[Tile]) -> tuple[TileMaps, ...]:
        """Maps of some tiles, one after another."""
        with closing(looked_here(self, predictor, tiles)) as found:
            return tuple(found)

    def read(self, tile: Tile) -> RGBImage:
        """Pixels of a tile."""
        return read_padded(self.pixels, tile.y, tile.x, tile.height, tile.width)

    def look(self, predictor: Predictor, seen: tuple[Tile, RGBImage]) -> TileMaps:
        """Maps of one tile with its pixels."""
        tile, image = seen
        batch, guard = as_batch([image]), predictor.checkpoint.guard
        kept = _Kept(self.coarse)
        distances = None if guard is None else DistanceMap(guard, predictor, kept)
        found = [look_at(predictor, (tile,), view, batch, distances=distances) for view in self.views]
        at = self.stride // 2
        white = white_pixels(image, self.rule)[at :: self.stride, at :: self.stride]
        return TileMaps(
            np.mean([logits.numpy()[0] for logits in found], axis=0),
            np.where(white, WHITE, TISSUE)[None].astype(np.uint8),
            kept.maps,
        )


class _Kept(Stitcher):
    """Keeps the map of the last tile."""

    def __init__(self, stride: int) -> None:
        self.stride = stride
        self.maps: FloatArray | None = None

    def add(self, tile: Tile, maps: FloatArray, channels: slice = slice(None)) -> None:  # noqa: ARG002
        self.maps = maps


def looked(
    looking: Looking, predictor: Predictor, tiles: Sequence[Tile], workers: Workers | None
) -> Generator[TileMaps | None, None, None]:
    """Maps of tiles in turn, from here or from other processes; None while one is waited for."""
    if workers is None:
        yield from looked_here(looking, predictor, tiles)
        return
    groups = [tuple(tiles[i : i + TOGETHER]) for i in range(0, len(tiles), TOGETHER)]
    with closing(workers.results(looking, predictor, groups)) as results:
        for found in results:
            yield from (None,) if found is None else found


def looked_here(
    looking: Looking, predictor: Predictor, tiles: Sequence[Tile]
) -> Generator[TileMaps, None, None]:
    """Maps of tiles in turn; others are read meanwhile.

    On a processor some tiles are looked at side by side, each by one thread: their numbers then depend
    neither on how many threads there are nor on how many processes share the tiles.
    """
    threads = Threads(threads_for(predictor.device))
    with ThreadPoolExecutor(2) as readers:
        seen = _ahead(readers, looking, tiles)
        with closing(threads.results(looking.look, predictor, seen)) as results:
            yield from (found for found in results if found is not None)


def _ahead(
    pool: ThreadPoolExecutor, looking: Looking, tiles: Sequence[Tile]
) -> Iterator[tuple[Tile, RGBImage]]:
    """Tiles with their pixels in turn, read a few tiles ahead."""
    waiting: deque[tuple[Tile, Future[RGBImage]]] = deque()
    for tile in tiles:
        waiting.append((tile, pool.submit(looking.read, tile)))
        if len(waiting) > AHEAD:
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()
