"""What the canvas shows, in the coordinates of a layer's data.

It is computed from the camera and the size of the canvas. A layer's own ``corner_pixels`` do not tell: of a
pyramid they are those of the tile that is loaded, in the pixels of the level that is drawn; and they ignore
that napari shows layers of different units (mm, um) in one of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.widgets.layers.place import camera

_ROUNDING: Final = 1e-6
"""Of a pixel: what coordinates may be off by after the transforms of a viewer."""


def visible_box(layer: Any, viewer: Any, shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """The smallest box of a layer's rows and columns that holds all that is on view.

    Parameters
    ----------
    layer : napari.layers.Layer
        Of any transform; of a pyramid the finest level counts.
    viewer : napari.Viewer or None
        That shows the layer. Without one, or before napari 0.9, which has no public size of the canvas, the
        box is that of the pixels that the layer draws.
    shape : tuple of int
        Number of rows and columns of the layer.

    Returns
    -------
    tuple of ndarray or None
        First row and column, and those after the last; equal where nothing is on view. None in 3-D, where
        there is no such box.
    """
    if viewer is not None and viewer.dims.ndisplay != 2:
        return None
    canvas = getattr(viewer, "canvas", None)
    if canvas is None or not hasattr(canvas, "viewbox_size"):
        return _drawn_box(layer)
    view = camera(viewer)
    half = np.asarray(canvas.viewbox_size(viewer.layers), dtype=float) / 2 / view.zoom
    middle = np.asarray(view.center, dtype=float)[-2:]
    corners = []
    for side in ((-1, -1), (-1, 1), (1, 1), (1, -1)):
        point = np.array(viewer.dims.point, dtype=float)
        point[list(viewer.dims.displayed[-2:])] = middle + np.array(side) * half
        corners.append(data_point(layer, point, viewer.layers)[-2:])
    inside = _within(np.array(corners), shape)
    if not len(inside):
        return np.zeros(2), np.zeros(2)
    # napari draws the middle of the first pixel at 0; a corner on the border of a pixel does not show it
    return np.floor(inside.min(0) + 0.5 + _ROUNDING), np.ceil(inside.max(0) + 0.5 - _ROUNDING)


def _within(polygon: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """A convex polygon (n, 2) cut to the pixels of an image; Sutherland and Hodgman, CACM 17(1), 1974."""
    for axis, count in enumerate(shape):
        for limit, sign in ((-0.5, 1.0), (count - 0.5, -1.0)):
            inside = sign * (polygon[:, axis] - limit)
            kept = []
            for a, b, here, there in zip(
                polygon, np.roll(polygon, -1, 0), inside, np.roll(inside, -1), strict=True
            ):
                if here >= 0:
                    kept.append(a)
                if (here >= 0) != (there >= 0):
                    kept.append(a + (b - a) * here / (here - there))
            polygon = np.reshape(kept, (-1, 2))
    return polygon


def slice_point(layer: Any, viewer: Any) -> tuple[float, ...]:
    """The visible slice in a layer's own units, which are those of the viewer where all layers have one."""
    point = np.array(viewer.dims.point, dtype=float)[-layer.ndim :]
    return tuple(float(c) for c in point / _unit(layer, viewer.layers)[-len(point) :])


def look_at(viewer: Any, layer: Any, centre: tuple[float, float], side: float, shown: float) -> None:
    """Centre the canvas on a place of a layer; ``side`` data pixels fill ``shown`` canvas pixels."""
    point = data_point(layer, viewer.dims.point, viewer.layers)
    point[-2:] = centre
    world = viewer_point(layer, point, viewer.layers)
    beside = viewer_point(layer, point + np.eye(layer.ndim)[-1], viewer.layers)
    view = camera(viewer)
    view.center = (*view.center[:-2], *world[-2:])
    view.zoom = shown / (side * float(np.linalg.norm(beside - world)))


def data_point(layer: Any, point: Any, layers: Iterable[Any]) -> NDArray[Any]:
    """Data coordinates, one for each axis of a layer, of a point of the viewer such as ``viewer.dims.point``.

    Axes before those of the point are at 0.
    """
    given = np.array(point, dtype=float)[-layer.ndim :]
    world = np.concatenate([np.zeros(layer.ndim - len(given)), given])
    return np.asarray(layer.world_to_data(world / _unit(layer, layers)))[-layer.ndim :]


def viewer_point(layer: Any, point: Any, layers: Iterable[Any]) -> NDArray[Any]:
    """The point of the viewer, in its units, of a layer's data coordinates."""
    return np.asarray(layer.data_to_world(point)) * _unit(layer, layers)


def _unit(layer: Any, layers: Iterable[Any]) -> NDArray[Any]:
    """How many units of the viewer one unit of a layer is, for each axis of the layer."""
    common = getattr(getattr(layers, "extent", None), "units", None)
    own = getattr(layer, "units", None)
    if common is None or own is None or len(common) < layer.ndim:  # napari then draws all numbers as they are
        return np.ones(layer.ndim)
    pairs = zip(own, common[-layer.ndim :], strict=True)
    return np.array([1.0 if a == b else float((1 * a).to(b).magnitude) for a, b in pairs])


def _drawn_box(layer: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows and columns of the finest level under the pixels that a layer draws."""
    corners = np.asarray(layer.corner_pixels, dtype=float)[:, -2:]
    factor = np.ones(2)
    if getattr(layer, "multiscale", False):
        factor = np.asarray(layer.downsample_factors, dtype=float)[layer.data_level][-2:]
    return np.floor(corners[0] * factor), np.ceil((corners[1] + 1) * factor)
