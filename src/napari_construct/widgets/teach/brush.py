"""The brush: which layer is painted on, with which class, how wide."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from napari.layers import Labels, Points, Shapes

from napari_construct.exceptions import InputError
from napari_construct.widgets.layers import layer_shape
from napari_construct.widgets.layers.drawn import drawn_pixels
from napari_construct.widgets.layers.place import Window
from napari_construct.widgets.layers.strokes import rows_of
from napari_construct.widgets.layers.view import data_point, visible_box

_OF_VIEW: Final = 0.02
_NARROWEST, _WIDEST = 4, 40
_GRID: Final = 128
"""Pixels: parts on view begin and end on it, so that a small move of the view is the same part."""


def part_on_view(image: Any, viewer: Any, *, most: float = 0.7) -> Window | None:
    """Rows and columns of an image that are on view; None where that is nearly all, and in 3-D.

    Raises
    ------
    InputError
        If nothing of it is on view.
    """
    shape = layer_shape(image)[-2:]
    box = visible_box(image, viewer, (shape[0], shape[1]))
    if box is None:
        return None
    low, high = (np.clip(side, 0, shape).astype(int) for side in box)
    if (high - low < 16).any():
        raise InputError(
            f"{image.name}: expected a part of it on view, got none; move the view onto the image"
        )
    low = low // _GRID * _GRID
    high = np.minimum(-(-high // _GRID) * _GRID, shape)
    if np.prod(high - low) > most * np.prod(shape):
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def covers_view(strokes: Labels, viewer: Any) -> bool:
    """Whether the middle of what is on view can be painted on."""
    view = getattr(viewer, "scene", viewer).camera
    point = np.array(viewer.dims.point, dtype=float)
    point[list(viewer.dims.displayed[-2:])] = np.asarray(view.center, dtype=float)[-2:]
    at = data_point(strokes, point, viewer.layers)[-2:]
    return bool((at >= -0.5).all() and (at <= np.array(strokes.data.shape[-2:]) - 0.5).all())


def take_up(strokes: Labels, value: int, viewer: Any) -> None:
    """Paint with a class: select the layer, its value, the brush; a brush that is in use keeps its width."""
    if viewer.layers.selection.active != strokes:
        viewer.layers.selection.active = strokes
    strokes.selected_label = value
    if strokes.mode == "pan_zoom":
        box = visible_box(strokes, viewer, strokes.data.shape[-2:])
        if box is not None and not strokes.metadata.get("napari_construct brush"):
            side = float(np.min(box[1] - box[0]))
            strokes.brush_size = int(np.clip(round(side * _OF_VIEW), _NARROWEST, _WIDEST))
            strokes.metadata = {**strokes.metadata, "napari_construct brush": True}
    strokes.mode = "paint"


def take_drawn(drawn: Points | Shapes, strokes: Labels, value: int, layers: Any) -> int:
    """Paint what points or shapes cover, as a brush does: napari can undo it. The number of pixels.

    Raises
    ------
    InputError
        If nothing of them lies on the layer of strokes.
    """
    rows = rows_of(strokes)
    mask = drawn_pixels(drawn, strokes, (rows.shape[0], rows.shape[1]), layers)
    if not mask.any():
        raise InputError(
            f"{drawn.name}: expected points or shapes on the part that can be painted on, got none"
        )
    at = np.nonzero(mask)
    leading = tuple(np.zeros(len(at[0]), dtype=np.intp) for _ in range(strokes.data.ndim - 2))
    strokes.data_setitem((*leading, *at), value)
    return int(mask.sum())
