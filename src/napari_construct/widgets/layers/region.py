"""Which part of an image a user means: what is on view, or what the shapes mark."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray

from napari_construct.exceptions import InputError
from napari_construct.widgets.layers.place import Window
from napari_construct.widgets.layers.plane import layer_shape


def window_on_view(layer: Any) -> Window | None:
    """Rows and columns of a 2-D layer (or of a plane) on the canvas; None where that is most of it."""
    corners = np.asarray(layer.corner_pixels)[:, -2:]
    shape = layer.data.shape[-2:]
    window = _within(corners[0], corners[1] + 1, shape)
    if window is None or _area(window) > 0.7 * shape[0] * shape[1]:
        return None
    return window


def region_window(layer: Any, region: str, layers: Iterable[Any]) -> Window | None:
    """Rows and columns of the part of an image that a user means.

    Parameters
    ----------
    layer : napari.layers.Image
        The image.
    region : str
        "whole", "visible", or "shapes": the box around the selected shapes of the viewer, or around all of
        the shapes layers' where none is selected.
    layers : iterable of Layer
        Of the viewer.

    Raises
    ------
    InputError
        If there are no shapes, or the region holds hardly any of the image.
    """
    shape = layer_shape(layer)[-2:]
    if region == "whole":
        return None
    if region == "visible":
        corners = np.asarray(layer.corner_pixels)[:, -2:]
        low, high = corners[0], corners[1] + 1
    else:
        points = _shape_corners(layer, layers)
        low, high = np.floor(points.min(0)), np.ceil(points.max(0))
    window = _within(low, high, shape)
    if window is None:
        raise InputError(
            f"{layer.name}: expected a region of at least 16 pixels a side within the image, got less; "
            "move the view or the shapes onto the image"
        )
    return window


def _shape_corners(layer: Any, layers: Iterable[Any]) -> NDArray[Any]:
    """(n, 2) rows and columns, in the image, of the vertices of shapes."""
    shapes = [other for other in layers if isinstance(other, Shapes) and other.nshapes]
    selected = [(s, sorted(s.selected_data)) for s in shapes if s.selected_data]
    chosen = selected or [(s, list(range(s.nshapes))) for s in shapes]
    if not chosen:
        raise InputError(
            "expected a shape that marks the region, got none; draw a rectangle on a new shapes layer"
        )
    world = [s.data_to_world(vertex) for s, indices in chosen for i in indices for vertex in s.data[i]]
    return np.array([np.asarray(layer.world_to_data(point))[-2:] for point in world])


def _within(low: Any, high: Any, shape: tuple[int, ...]) -> Window | None:
    """A box cut to the image; None where less than 16 pixels are left."""
    low, high = np.clip(low, 0, shape), np.clip(high, 0, shape)
    if (high - low < 16).any():
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _area(window: Window) -> int:
    return (window[0].stop - window[0].start) * (window[1].stop - window[1].start)
