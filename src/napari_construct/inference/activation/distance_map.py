"""How far each place of an image is from the training patches, gathered while the tiles are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.tiling import Stitcher, Tile, TilePlan
from napari_construct.models.network.guard import WINDOW, Guard, window_features
from napari_construct.types import FloatArray


class DistanceMap:
    """Distances of windows of half a training patch's side, on a grid as fine as tiles can start.

    Parameters
    ----------
    guard : Guard
        Of the predictor's checkpoint.
    predictor : Predictor
        The model.
    stitcher : Stitcher
        Blends them; its stride is the grid's.
    """

    def __init__(self, guard: Guard, predictor: Predictor, stitcher: Stitcher) -> None:
        self._guard, self._window, self._stitcher = guard, predictor.patch * WINDOW, stitcher

    def add(self, tiles: Sequence[Tile], images: Tensor, output: Any) -> None:
        """Add some tiles: their pixels, and the network's output, which holds the encoder's levels."""
        seen = images.to(output.student[0].device)
        features = window_features(
            output.student, self._guard.levels, seen, self._stitcher.stride, self._window
        )
        found = self._guard.distances(features).float().cpu().numpy()
        for tile, distances in zip(tiles, found, strict=True):
            self._stitcher.add(tile, distances[None])

    def mean(self) -> FloatArray:
        """(rows, columns) float32 of the whole image."""
        found: FloatArray = self._stitcher.mean()[0]
        return found


def distance_map(predictor: Predictor, plan: TilePlan) -> DistanceMap | None:
    """An empty map; None of a model without a guard."""
    guard = predictor.checkpoint.guard
    if guard is None:
        return None
    return DistanceMap(guard, predictor, Stitcher(plan, 1, predictor.spec.multiple))
