"""The network over a slide: tiles with tissue, row by row, blended as those of an image are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.events import Event, Steps
from napari_construct.inference.activation.distance_map import DistanceMap
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.stitched_maps import as_batch, look_at
from napari_construct.inference.activation.tiling import Tile, TilePlan
from napari_construct.inference.slides.glass import TISSUE, WHITE, white_pixels
from napari_construct.inference.slides.pixels import Pixels, read_padded
from napari_construct.inference.slides.rolling import RollingStitcher, tile_rows
from napari_construct.inference.slides.store import MapShape, NetworkStore
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.refinement.views import View
from napari_construct.types import RGBImage

STAGE: Final = "tiles"

AHEAD: Final = 4
"""Tiles that are read while the network looks at others."""


@dataclass(frozen=True, slots=True)
class NetworkPass:
    """What the network is to look at.

    Attributes
    ----------
    pixels : Pixels
        The slide at the model's resolution.
    plan : TilePlan
        Tiles of all of it.
    wanted : frozenset of Tile
        Those with tissue.
    predictor : Predictor
        The model.
    views : tuple of View
        Of every tile; the mean of their logits is kept.
    rule : BackgroundRule
        Where there is no tissue.
    """

    pixels: Pixels
    plan: TilePlan
    wanted: frozenset[Tile]
    predictor: Predictor
    views: tuple[View, ...]
    rule: BackgroundRule

    @property
    def stride(self) -> int:
        """Pixels per cell of the logits."""
        return self.predictor.checkpoint.config.map_stride

    @property
    def coarse(self) -> int:
        """Pixels per cell of the distances."""
        return self.predictor.spec.multiple

    @property
    def _grids(self) -> dict[str, tuple[int, int, type[np.generic]]]:
        """Channels, pixels per cell and type of every map; "white" is at the centres of the cells."""
        found: dict[str, tuple[int, int, type[np.generic]]] = {
            "logits": (len(self.predictor.classes), self.stride, np.float32),
            "white": (1, self.stride, np.uint8),
        }
        if self.predictor.checkpoint.guard is not None and View() in self.views:
            found["distances"] = (1, self.coarse, np.float32)
        return found

    def shapes(self) -> dict[str, MapShape]:
        """Maps of the store."""
        rows, columns = self.plan.shape
        return {
            name: MapShape((channels, -(-rows // stride), -(-columns // stride)), dtype)
            for name, (channels, stride, dtype) in self._grids.items()
        }

    def steps(self, store: NetworkStore) -> Steps[None]:
        """Fill a store, from where it stopped.

        A row of tiles that was not finished is looked at again, with the two before it, whose lower parts it
        shares.

        Yields
        ------
        Event
            Stage "tiles", after every tile with tissue.
        """
        rows = tile_rows(self.plan)
        start = max(store.done - 2, 0)
        top, guard = rows[start][0].y, self.predictor.checkpoint.guard
        maps = {
            name: RollingStitcher(self.plan, channels, stride, top // stride)
            for name, (channels, stride, _) in self._grids.items()
        }
        told = maps.get("distances")
        distances = None if guard is None or told is None else DistanceMap(guard, self.predictor, told)
        total = sum(tile in self.wanted for row in rows for tile in row)
        done = sum(tile in self.wanted for row in rows[:start] for tile in row)
        yield Event(STAGE, done, total)
        with ThreadPoolExecutor(2) as pool:
            tiles = [tile for row in rows[start:] for tile in row if tile in self.wanted]
            read = _ahead(pool, self.pixels, tiles)
            for number in range(start, len(rows)):
                for tile in rows[number]:
                    if tile in self.wanted:
                        self._look(tile, next(read), maps, distances)
                        done += 1
                        yield Event(STAGE, done, total)
                end = rows[number + 1][0].y if number + 1 < len(rows) else self.plan.padded[0]
                for name, stitcher in maps.items():
                    first, shape = stitcher.first, store.shapes[name]
                    found = stitcher.finished(end // stitcher.stride)[:, : shape.shape[1] - first]
                    if number >= store.done:
                        store.write(name, first, found if shape.dtype is np.float32 else np.rint(found))
                if number >= store.done:
                    store.mark(number + 1)

    def _look(
        self, tile: Tile, image: RGBImage, maps: dict[str, RollingStitcher], distances: DistanceMap | None
    ) -> None:
        batch = as_batch([image])
        found = [look_at(self.predictor, (tile,), view, batch, distances=distances) for view in self.views]
        maps["logits"].add(tile, np.mean([logits.numpy()[0] for logits in found], axis=0))
        white = _at_centres(white_pixels(image, self.rule), self.stride)
        maps["white"].add(tile, np.where(white, WHITE, TISSUE)[None].astype(np.float32))


def _at_centres(mask: NDArray[np.bool_], stride: int) -> NDArray[np.bool_]:
    return mask[stride // 2 :: stride, stride // 2 :: stride]


def _ahead(pool: ThreadPoolExecutor, pixels: Pixels, tiles: Sequence[Tile]) -> Iterator[RGBImage]:
    """Pixels of tiles in turn, read a few tiles ahead."""
    waiting: list[Future[RGBImage]] = []
    for tile in tiles:
        waiting.append(pool.submit(read_padded, pixels, tile.y, tile.x, tile.height, tile.width))
        if len(waiting) > AHEAD:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()
