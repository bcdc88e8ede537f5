"""From foreground and boundary to cells; runs no network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_construct.inference.cells.maps import CellMaps
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.refinement.instances import instances


def cells_of(maps: CellMaps, settings: CellSettings) -> NDArray[np.int32]:
    """Numbers (h, w) int32 of the cells, 0 is background: :func:`~napari_construct.refinement.instances.instances`."""
    return instances(
        maps.foreground,
        maps.boundary,
        threshold=settings.threshold,
        seed_threshold=settings.seed_threshold,
        min_area=settings.min_area,
    )
