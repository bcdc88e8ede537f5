"""The network over a slide: tiles with tissue, row by row, blended as those of an image are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_construct.events import Event, Steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.tiling import Tile, TilePlan
from napari_construct.inference.slides.glass import TISSUE, WHITE, white_pixels
from napari_construct.inference.slides.pixels import Pixels, read_padded
from napari_construct.inference.slides.rolling import RollingStitcher, tile_rows
from napari_construct.inference.slides.store import MapShape, NetworkStore
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.models.network.guard import WINDOW, window_features
from napari_construct.refinement.views import View
from napari_construct.types import FloatArray, RGBImage

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
        config = self.predictor.checkpoint.config
        return 1 if config.network == "unet" else config.cam_stride

    @property
    def coarse(self) -> int:
        """Pixels per cell of the distances."""
        return self.predictor.spec.multiple

    def shapes(self) -> dict[str, MapShape]:
        """Maps of the store: logits, what is white at the centres of their cells, distances of the guard."""

        def cells(stride: int) -> tuple[int, int]:
            rows, columns = (-(-side // stride) for side in self.plan.shape)
            return rows, columns

        found = {
            "logits": MapShape((len(self.predictor.classes), *cells(self.stride)), np.float32),
            "white": MapShape((1, *cells(self.stride)), np.uint8),
        }
        if self.predictor.checkpoint.guard is not None and View() in self.views:
            found["distances"] = MapShape((1, *cells(self.coarse)), np.float32)
        return found

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
        maps = self._stitchers(rows[start][0].y)
        total = sum(tile in self.wanted for row in rows for tile in row)
        done = sum(tile in self.wanted for row in rows[:start] for tile in row)
        yield Event(STAGE, done, total)
        with ThreadPoolExecutor(2) as pool:
            tiles = [tile for row in rows[start:] for tile in row if tile in self.wanted]
            read = _ahead(pool, self.pixels, tiles)
            for number in range(start, len(rows)):
                for tile in rows[number]:
                    if tile in self.wanted:
                        self._look(tile, next(read), maps)
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

    def _stitchers(self, top: int) -> dict[str, RollingStitcher]:
        channels = {"logits": len(self.predictor.classes), "white": 1, "distances": 1}
        strides = {"logits": self.stride, "white": self.stride, "distances": self.coarse}
        return {
            name: RollingStitcher(self.plan, channels[name], strides[name], top // strides[name])
            for name in self.shapes()
        }

    def _look(self, tile: Tile, image: RGBImage, maps: dict[str, RollingStitcher]) -> None:
        batch = torch.from_numpy(image).permute(2, 0, 1)[None].float().div_(255)
        logits: list[FloatArray] = []
        for view in self.views:
            seen = view.apply(batch, None)
            distances = maps.get("distances") if view == View() else None
            look = None if distances is None else self._reader(tile, seen, distances)
            found = self.predictor.logits(seen) if look is None else self.predictor.maps(seen, look)
            logits.append(view.undo(found).numpy()[0])
        maps["logits"].add(tile, np.mean(logits, axis=0))
        white = _at_centres(white_pixels(image, self.rule), self.stride)
        maps["white"].add(tile, np.where(white, WHITE, TISSUE)[None].astype(np.float32))

    def _reader(self, tile: Tile, seen: Tensor, distances: RollingStitcher) -> Callable[[Any], Tensor]:
        """Reads the logits from the network's output, after the distances were found from its levels."""
        guard = self.predictor.checkpoint.guard

        def read(output: Any) -> Tensor:
            if guard is not None:
                images = seen.to(output.student[0].device)
                window = self.predictor.patch * WINDOW
                features = window_features(output.student, guard.levels, images, self.coarse, window)
                distances.add(tile, guard.distances(features).float().cpu().numpy())
            cam: Tensor = output.cam
            return cam

        return read


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
