"""A look at a region: the camera, its outline, and what a person says of the mask there."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any, Final

import numpy as np
from napari.layers import Labels, Shapes
from numpy.typing import NDArray

from napari_construct.labelling.queue.regions import Region
from napari_construct.results.stored_pyramid import open_pyramid
from napari_construct.widgets.files.stored_pyramid import PYRAMID
from napari_construct.widgets.files.writers import class_table
from napari_construct.widgets.layers import (
    METADATA_KEY,
    labels_layer,
    look_at,
    twin_placement,
)
from napari_construct.widgets.layers.place import placement_of

PAINTED: Final = "painted"
"""Kind of the layers that hold what a person confirmed or painted."""

_SHOWN: Final = 420
"""Canvas pixels that a region fills."""
_OUTLINE: Final = "Where next"
_COLOUR: Final = "#F0E442"


class Visits:
    """Goes to regions of one mask, and keeps what was confirmed there.

    Confirmed pixels go into a labels layer of their own over the image, "NAME painted", with the values of
    the mask, to learn from. Of a stored mask of a slide, which cannot be painted on, it is a layer of the
    region alone.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where layers are added.
    mask : Labels
        The mask; it is not kept alive.
    """

    def __init__(self, viewer: Any, mask: Labels) -> None:
        self._viewer = viewer
        self._mask = weakref.ref(mask)
        self._step = _step_of(mask)
        self._outline: Any = None
        self._painted: Any = None
        self._before: NDArray[Any] | None = None

    @property
    def mask(self) -> Labels | None:
        """The mask while it is in the viewer."""
        mask = self._mask()
        return mask if mask is not None and mask in self._viewer.layers else None

    def go(self, region: Region) -> None:
        """Move the camera to a region and outline it."""
        mask = self.mask
        if mask is None:
            return
        top, left, height, width = self._box(region)
        centre = (top + height / 2 - 0.5, left + width / 2 - 0.5)
        look_at(self._viewer, mask, centre, float(max(height, width)), float(_SHOWN))
        corners = np.array(
            [[top, left], [top, left + width], [top + height, left + width], [top + height, left]]
        )
        self._draw(mask, corners - 0.5, max(height, width))
        self._before = None

    def accept(self, region: Region) -> bool:
        """Keep the mask of a region as painted labels; whether it changed since :meth:`correct`."""
        mask = self.mask
        if mask is None:
            return False
        now = self._pixels(mask, region)
        changed = self._before is not None and not np.array_equal(now, self._before)
        if self._is_stored(mask):
            self._of_region(mask, region)
        else:
            layer = self._whole(mask)
            rows, columns = self._slices(region)
            index = np.nonzero(layer.data[rows, columns] != now)
            if len(index[0]):
                there = index[0] + rows.start, index[1] + columns.start
                layer.data_setitem(there, now[index])
        self._before = None
        return changed

    def correct(self, region: Region) -> Labels | None:
        """The layer to paint on: the mask, or of a stored mask of a slide a layer of the region."""
        mask = self.mask
        if mask is None:
            return None
        self._before = self._pixels(mask, region)
        return self._of_region(mask, region) if self._is_stored(mask) else mask

    def leave(self) -> None:
        """Take the outline away."""
        if self._outline is not None and self._outline in self._viewer.layers:
            self._viewer.layers.remove(self._outline)
        self._outline = None

    def _box(self, region: Region) -> tuple[float, float, float, float]:
        """Row, column, height and width in pixels of the mask."""
        return (
            region.row / self._step,
            region.column / self._step,
            region.height / self._step,
            region.width / self._step,
        )

    def _slices(self, region: Region) -> tuple[slice, slice]:
        top, left, height, width = self._box(region)
        return slice(round(top), round(top + height)), slice(round(left), round(left + width))

    def _pixels(self, mask: Labels, region: Region) -> NDArray[Any]:
        """The mask of a region as it is now; of a stored one, what was painted over it."""
        rows, columns = self._slices(region)
        if self._is_stored(mask):
            layer = self._found(self._name(mask, region))
            if layer is not None:
                return np.array(layer.data)
            return np.asarray(mask.data[0][rows, columns])
        return np.array(mask.data[rows, columns])

    def _is_stored(self, mask: Labels) -> bool:
        return PYRAMID in mask.metadata.get(METADATA_KEY, {}) or mask.multiscale

    def _name(self, mask: Labels, region: Region) -> str:
        return f"{_source(mask)} painted, row {region.row}, column {region.column}"

    def _found(self, name: str) -> Labels | None:
        return next(
            (one for one in self._viewer.layers if one.name == name and isinstance(one, Labels)), None
        )

    def _whole(self, mask: Labels) -> Labels:
        """The layer of painted labels of a mask in memory."""
        if self._painted is None or self._painted not in self._viewer.layers:
            data = np.zeros(mask.data.shape, np.uint8)
            self._painted = self._add(mask, data, f"{_source(mask)} painted", twin_placement(mask))
        return self._painted

    def _of_region(self, mask: Labels, region: Region) -> Labels:
        name = self._name(mask, region)
        layer = self._found(name)
        if layer is None:
            rows, columns = self._slices(region)
            data = self._pixels(mask, region).astype(np.uint8)
            layer = self._add(mask, data, name, placement_of(mask, (), (rows, columns)))
        return layer

    def _add(self, mask: Labels, data: NDArray[np.uint8], name: str, place: dict[str, Any]) -> Labels:
        table = class_table(mask)
        features = {"index": list(range(1, len(table) + 1)), "class": list(table.names)}
        record = mask.metadata.get(METADATA_KEY, {}).get("record", {})
        made = labels_layer(data, table, name, features=features, record=record, kind=PAINTED, **place)
        made.name = name
        selected = self._viewer.layers.selection.active
        self._viewer.add_layer(made)
        self._viewer.layers.selection.active = selected
        return made

    def _draw(self, mask: Labels, corners: NDArray[Any], side: float) -> None:
        selected = self._viewer.layers.selection.active
        if self._outline is None or self._outline not in self._viewer.layers:
            self._outline = Shapes(
                [corners],
                name=_OUTLINE,
                face_color="transparent",
                edge_color=_COLOUR,
                edge_width=max(side / 100, 1.0),
                metadata={METADATA_KEY: {"kind": "outline", "record": {}}},
                **twin_placement(mask),
            )
            self._viewer.add_layer(self._outline)
        else:
            self._outline.data = [corners]
        self._viewer.layers.selection.active = selected if selected is not None else mask


def _source(mask: Labels) -> str:
    return str(mask.name).removesuffix(" mask")


def _step_of(mask: Labels) -> float:
    """Pixels of the image along the side of one of the mask."""
    path = mask.metadata.get(METADATA_KEY, {}).get(PYRAMID)
    return 1.0 if path is None else open_pyramid(Path(path)).downsample
