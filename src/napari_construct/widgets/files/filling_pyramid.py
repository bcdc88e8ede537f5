"""The labels layer of a pyramid that a run of this session is writing.

Coarse levels lie in memory, where a thread puts each shard as soon as it is written; finer ones are read from
disk where they are looked at. To show what came, the GUI thread only draws the layer again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from napari.layers import Labels

from napari_construct.classes import ClassTable
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.export.pyramid_plan import Shard
from napari_construct.results.stored_pyramid import open_pyramid
from napari_construct.widgets.files.stored_pyramid import PYRAMID, UNFINISHED, lazy
from napari_construct.widgets.layers import METADATA_KEY, labels_layer

IN_MEMORY: Final = 2**24
"""Pixels of the largest level in memory; all levels together take a third more bytes."""


class FillingPyramid:
    """A label pyramid on disk, and the layer that shows what is written of it.

    Make it, and call :meth:`take`, in one thread; napari needs up to seconds to make its first labels layer.

    Parameters
    ----------
    path : Path
        The pyramid.
    name : str
        Of the image.
    table : ClassTable
        Colours of the classes.
    place : mapping
        Keyword arguments that place the layer.

    Attributes
    ----------
    layer : Labels
        Not in a viewer yet.
    done, total : int
        Shards that are in the layer, of how many.

    Raises
    ------
    InputError
        If there is no pyramid, or it is damaged.
    """

    def __init__(self, path: Path, name: str, table: ClassTable, place: Mapping[str, Any]) -> None:
        found = open_pyramid(path)
        self._pyramid = LabelPyramid.open(path)
        self._stored = found.labels
        # the finest stays on disk also where it is small: a layer is known by it while it fills
        self._levels = [
            np.zeros(level.shape, np.uint8) if number and level.size <= IN_MEMORY else lazy(level)
            for number, level in enumerate(found.labels)
        ]
        self._missing = frozenset(self._pyramid.plan.shards())
        self.total = len(self._missing)
        self.take()
        self.layer: Labels = labels_layer(
            self._levels, table, name, features=None, record={}, multiscale=True, cache=False, **place
        )
        known = self.layer.metadata[METADATA_KEY]
        known[UNFINISHED], known[PYRAMID] = True, str(path.absolute())

    @property
    def done(self) -> int:
        return self.total - len(self._missing)

    def take(self) -> int:
        """Put the shards that were written since into memory; how many there were."""
        left = frozenset(self._pyramid.left())
        new = self._missing - left
        for shard in new:
            self._copy(shard)
        self._missing = left
        return len(new)

    def _copy(self, shard: Shard) -> None:
        top, left, height, width = shard
        for number, (stored, level) in enumerate(zip(self._stored, self._levels, strict=True)):
            if isinstance(level, np.ndarray):
                rows = slice(top >> number, (top + height) >> number)
                columns = slice(left >> number, (left + width) >> number)
                level[rows, columns] = stored[rows, columns]


def layer_of_pyramid(layers: Any, path: str) -> Any:
    """The labels layer among ``layers`` that shows the pyramid of this path, or None."""
    return next(
        (
            layer
            for layer in layers
            if isinstance(layer, Labels) and layer.metadata.get(METADATA_KEY, {}).get(PYRAMID) == path
        ),
        None,
    )
