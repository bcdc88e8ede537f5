"""A small picture of a slide: where there is tissue, and the labels over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import zarr

from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.export.pyramid_arrays import LABELS_GROUP
from napari_construct.inference.activation.tiling import Tile
from napari_construct.types import BoolMask, LabelImage


def any_in(tissue: BoolMask, tile: Tile, shape: tuple[int, int]) -> bool:
    """Whether a tile of an image of ``shape`` has tissue on a small picture of it."""
    rows, columns = (
        slice(int(start * small / size), int(np.ceil((start + length) * small / size)))
        for start, length, small, size in zip(
            (tile.y, tile.x), (tile.height, tile.width), tissue.shape, shape, strict=True
        )
    )
    return bool(tissue[rows, columns].any())


def label_levels(pyramid: LabelPyramid) -> list[Any]:
    """The levels of the labels, the finest first: zarr arrays (rows, columns) uint8."""
    levels: Any = zarr.open_group(pyramid.path / LABELS_GROUP, mode="r")
    return [levels[str(level)] for level in range(pyramid.plan.levels)]


def label_overview(levels: Sequence[Any], shape: tuple[int, int]) -> LabelImage:
    """Labels at the pixels of a small picture."""
    array = next((a for a in reversed(levels) if a.shape[0] >= shape[0]), levels[0])
    rows, columns = (
        np.minimum(((np.arange(n) + 0.5) * size / n).astype(np.intp), size - 1)
        for n, size in zip(shape, array.shape, strict=True)
    )
    found: LabelImage = np.asarray(array[:])[np.ix_(rows, columns)]
    return found
