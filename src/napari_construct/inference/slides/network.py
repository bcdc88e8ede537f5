"""The network over a slide: tiles with tissue, row by row, blended as those of an image are."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_construct.events import Event, Steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.tiling import Tile, TilePlan
from napari_construct.inference.slides.looking import Looking, TileMaps, looked
from napari_construct.inference.slides.pixels import Pixels
from napari_construct.inference.slides.rolling import RollingStitcher, tile_rows
from napari_construct.inference.slides.store import MapShape, NetworkStore
from napari_construct.inference.workers import Workers
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.refinement.views import View

STAGE: Final = "tiles"


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

    def steps(self, store: NetworkStore, workers: Workers | None = None) -> Steps[None]:
        """Fill a store, from where it stopped.

        A row of tiles that was not finished is looked at again, with the two before it, whose lower parts it
        shares. Whoever looks at the tiles, they are added here, in their order: the sums are the same.

        Parameters
        ----------
        store : NetworkStore
            Where it is written.
        workers : Workers, optional
            Who looks at the tiles; this process by default.

        Yields
        ------
        Event
            Stage "tiles", after every tile with tissue.
        """
        rows = tile_rows(self.plan)
        total = sum(tile in self.wanted for row in rows for tile in row)
        if store.done == len(rows):
            yield Event(STAGE, total, total)
            return
        start = max(store.done - 2, 0)
        top = rows[start][0].y
        maps = {
            name: RollingStitcher(self.plan, channels, stride, top // stride)
            for name, (channels, stride, _) in self._grids.items()
        }
        done = sum(tile in self.wanted for row in rows[:start] for tile in row)
        yield Event(STAGE, done, total)
        looking = Looking(self.pixels, self.stride, self.coarse, self.views, self.rule)
        tiles = [tile for row in rows[start:] for tile in row if tile in self.wanted]
        with closing(looked(looking, self.predictor, tiles, workers)) as results:
            for number in range(start, len(rows)):
                for tile in rows[number]:
                    if tile in self.wanted:
                        while (found := next(results)) is None:
                            yield Event(STAGE, done, total)
                        _add(maps, tile, found)
                        done += 1
                        yield Event(STAGE, done, total)
                end = rows[number + 1][0].y if number + 1 < len(rows) else self.plan.padded[0]
                for name, stitcher in maps.items():
                    first, shape = stitcher.first, store.shapes[name]
                    mean = stitcher.finished(end // stitcher.stride)[:, : shape.shape[1] - first]
                    if number >= store.done:
                        store.write(name, first, mean if shape.dtype is np.float32 else np.rint(mean))
                if number >= store.done:
                    store.mark(number + 1)


def _add(maps: dict[str, RollingStitcher], tile: Tile, found: TileMaps) -> None:
    maps["logits"].add(tile, found.logits)
    maps["white"].add(tile, found.white.astype(np.float32))
    if found.distances is not None and "distances" in maps:
        maps["distances"].add(tile, found.distances)
