"""Regions of an image: the visible part, or the box around shapes."""

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
    """Visible rows and columns of a 2-D layer or plane; None if most of it is visible."""
    shape = layer.data.shape[-2:]
    window = _within(*_visible(layer), shape)
    return None if window is None or _area(window) > 0.7 * shape[0] * shape[1] else window


def region_window(layer: Any, region: str, layers: Iterable[Any]) -> Window | None:
    """Rows and columns of the chosen region of an image; None for the whole image.

    Parameters
    ----------
    layer : napari.layers.Image
        The image.
    region : str
        "whole", "visible", or "shapes": the box around the selected shapes of the viewer, or around all
        shapes if none is selected.
    layers : iterable of Layer
        The viewer's layers.

    Raises
    ------
    InputError
        If there are no shapes, or the region is less than 16 pixels wide or high in the image.
    """
    shape = layer_shape(layer)[-2:]
    if region == "whole":
        return None
    if region == "visible":
        low, high = _visible(layer)
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


def _visible(layer: Any) -> tuple[Any, Any]:
    """First rows and columns on the canvas, and those after the last."""
    corners = np.asarray(layer.corner_pixels)[:, -2:]
    return corners[0], corners[1] + 1


def _shape_corners(layer: Any, layers: Iterable[Any]) -> NDArray[Any]:
    """(n, 2) rows and columns of the shapes' vertices in the image."""
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
    """A box cut to the image; None if less than 16 pixels a side are left."""
    low, high = np.clip(low, 0, shape), np.clip(high, 0, shape)
    if (high - low < 16).any():
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _area(window: Window) -> int:
    return (window[0].stop - window[0].start) * (window[1].stop - window[1].start)
