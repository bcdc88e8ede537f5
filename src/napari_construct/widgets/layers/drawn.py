"""Points and shapes as pixels of a layer in the same viewer."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from napari.layers import Points, Shapes
from numpy.typing import NDArray
from skimage.draw import disk, polygon2mask

from napari_construct.widgets.layers.view import data_point, viewer_point

_AROUND: Final = np.linspace(0, 2 * np.pi, 64, endpoint=False)
_LINES: Final = frozenset({"line", "path"})


def drawn_pixels(
    layer: Points | Shapes, target: Any, shape: tuple[int, int], layers: Iterable[Any]
) -> NDArray[np.bool_]:
    """(h, w) bool: the pixels that points or shapes cover; the selected ones, or all.

    Points are disks of their size, lines and paths are as wide as their edge.

    Parameters
    ----------
    layer : napari.layers.Points or Shapes
        What was drawn.
    target : napari.layers.Layer
        Whose pixels are meant.
    shape : tuple of int
        Its rows and columns.
    layers : LayerList
        Of the viewer that shows both: they may have different units.
    """
    mask = np.zeros(shape, dtype=bool)
    chosen = sorted(layer.selected_data)
    if isinstance(layer, Points):
        for i in chosen or range(len(layer.data)):
            _dot(mask, layer, np.asarray(layer.data[i]), float(layer.size[i]) / 2, target, layers)
        return mask
    for i in chosen or range(layer.nshapes):
        if layer.shape_type[i] in _LINES:
            _line(mask, layer, i, target, layers)
        else:
            mask |= _inside(shape, layer, i, target, layers)
    return mask


def shapes_mask(
    layer: Shapes, target: Any, shape: tuple[int, int], layers: Iterable[Any]
) -> NDArray[np.bool_]:
    """(h, w) bool: what lies inside of the selected shapes, or of all."""
    mask = np.zeros(shape, dtype=bool)
    for i in sorted(layer.selected_data) or range(layer.nshapes):
        mask |= _inside(shape, layer, i, target, layers)
    return mask


def _inside(
    shape: tuple[int, int], layer: Shapes, i: int, target: Any, layers: Iterable[Any]
) -> NDArray[np.bool_]:
    points = [viewer_point(layer, vertex, layers) for vertex in layer.data[i]]
    corners = np.array([data_point(target, point, layers)[-2:] for point in points])
    if layer.shape_type[i] == "ellipse":  # its vertices are the corners of its box
        centre, half = corners.mean(0), (corners[1] - corners[0]) / 2
        other = (corners[3] - corners[0]) / 2
        corners = centre + np.outer(np.cos(_AROUND), half) + np.outer(np.sin(_AROUND), other)
    inside: NDArray[np.bool_] = polygon2mask(shape, corners)  # type: ignore[no-untyped-call]
    return inside


def _line(mask: NDArray[np.bool_], layer: Shapes, i: int, target: Any, layers: Iterable[Any]) -> None:
    vertices, width = np.asarray(layer.data[i], dtype=float), float(layer.edge_width[i])
    for begin, end in itertools.pairwise(vertices):
        steps = max(2, int(np.ceil(np.linalg.norm(end - begin) / max(width / 4, 0.25))) + 1)
        for point in np.linspace(begin, end, min(steps, 10_000)):
            _dot(mask, layer, point, width / 2, target, layers)


def _dot(
    mask: NDArray[np.bool_],
    layer: Any,
    centre: NDArray[Any],
    radius: float,
    target: Any,
    layers: Iterable[Any],
) -> None:
    at = data_point(target, viewer_point(layer, centre, layers), layers)[-2:]
    beside = centre.astype(float)
    beside[-1] += radius
    edge = data_point(target, viewer_point(layer, beside, layers), layers)[-2:]
    rows, columns = disk(tuple(at), max(float(np.linalg.norm(edge - at)), 0.75), shape=mask.shape)  # type: ignore[no-untyped-call]
    mask[rows, columns] = True
