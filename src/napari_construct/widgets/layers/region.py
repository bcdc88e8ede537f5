"""Regions of an image: the visible part, or the box around shapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from napari.layers import Shapes
from napari.viewer import current_viewer
from numpy.typing import NDArray

from napari_construct.exceptions import InputError
from napari_construct.widgets.layers.pixel_size import layer_shape
from napari_construct.widgets.layers.place import Window
from napari_construct.widgets.layers.view import data_point, viewer_point, visible_box


def window_on_view(layer: Any, viewer: Any) -> Window | None:
    """Visible rows and columns of a 2-D layer or plane; None if most of it is visible, and in 3-D."""
    shape = layer.data.shape[-2:]
    box = visible_box(layer, viewer, shape)
    window = None if box is None else _within(*box, shape)
    return None if window is None or _area(window) > 0.7 * shape[0] * shape[1] else window


def region_window(layer: Any, region: str, layers: Iterable[Any], viewer: Any = None) -> Window | None:
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
    viewer : napari.Viewer, optional
        That shows them; the current viewer by default.

    Raises
    ------
    InputError
        If there are no shapes, the viewer shows 3-D, or the region is less than 16 pixels wide or high in the
        image.
    """
    shape = layer_shape(layer)[-2:]
    if region == "whole":
        return None
    if region == "visible":
        box = visible_box(layer, viewer or _current_viewer(layers), shape)
        if box is None:
            raise InputError(
                f"{layer.name}: expected the viewer in 2-D, where a part of the image is on view, got 3-D; "
                "switch to 2-D or choose another region"
            )
        low, high = box
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


def _current_viewer(layers: Iterable[Any]) -> Any:
    """The viewer that was used last, if it shows these layers."""
    viewer = current_viewer()
    return viewer if viewer is not None and viewer.layers == layers else None


def _shape_corners(layer: Any, layers: Iterable[Any]) -> NDArray[Any]:
    """(n, 2) rows and columns of the shapes' vertices in the image."""
    shapes = [other for other in layers if isinstance(other, Shapes) and other.nshapes]
    selected = [(s, sorted(s.selected_data)) for s in shapes if s.selected_data]
    chosen = selected or [(s, list(range(s.nshapes))) for s in shapes]
    if not chosen:
        raise InputError(
            "expected a shape that marks the region, got none; draw a rectangle on a new shapes layer"
        )
    points = [
        viewer_point(s, vertex, layers) for s, indices in chosen for i in indices for vertex in s.data[i]
    ]
    return np.array([data_point(layer, point, layers)[-2:] for point in points])


def _within(low: Any, high: Any, shape: tuple[int, ...]) -> Window | None:
    """A box cut to the image; None if less than 16 pixels a side are left."""
    low, high = np.clip(low, 0, shape), np.clip(high, 0, shape)
    if (high - low < 16).any():
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _area(window: Window) -> int:
    return (window[0].stop - window[0].start) * (window[1].stop - window[1].start)
