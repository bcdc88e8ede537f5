"""File > Save for GeoJSON that QuPath opens: masks, cells and shapes, in pixels of their image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import shapely
from napari import current_viewer
from napari.layers import Layer
from napari.utils.notifications import show_info
from numpy.typing import NDArray
from shapely import Polygon

from napari_construct.annotations import Feature, only_polygons
from napari_construct.classes import hex_of
from napari_construct.exceptions import InputError
from napari_construct.export.geojson import Written, write_geojson
from napari_construct.export.polygons import cell_features, class_features
from napari_construct.widgets.files.geojson_reader import NO_CLASS
from napari_construct.widgets.files.names import saved_path
from napari_construct.widgets.files.writers import class_table, is_cells
from napari_construct.widgets.layers import data_point, image_of, viewer_point
from napari_construct.widgets.layers.source_image import chosen_image

_CORNERS: Final = 128
"""Of an ellipse."""
_CLASS_COLUMNS: Final = ("class", "classification", "label", "type")


def write_labels(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write a mask as annotations, one for each part, or numbered cells as detections.

    Coordinates are those of the layer's image at full resolution, also where the mask is of a part of it, or
    coarser; without an image those of the layer.

    Raises
    ------
    InputError
        If the layer is a stack, or its values are no classes.
    ConfigurationError
        If the file is one of others.
    """
    layer: Any = Layer.create(data, dict(attributes), "labels")  # type: ignore[arg-type]
    labels = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    if labels.ndim > 2 and labels.size != labels.shape[-1] * labels.shape[-2]:
        raise InputError(f"{layer.name}: expected one plane, got a stack; save its planes one by one")
    labels = labels.reshape(labels.shape[-2:])
    if is_cells(layer):
        features = cell_features(labels, class_name="cell")
    else:
        features = map(_without_no_class, class_features(labels, class_table(layer)))
    return _write(path, layer, features)


def write_shapes(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write shapes as annotations; lines and paths, which have no area, are left out with a notice.

    The class is that of a column ``class`` or ``classification`` of the layer's table, the colour that of
    the shape's edge.

    Raises
    ------
    InputError
        If no shape has an area.
    ConfigurationError
        If the file is one of others.
    """
    layer: Any = Layer.create(data, dict(attributes), "shapes")  # type: ignore[arg-type]
    outlined = list(_outlined(layer))
    if not outlined:
        raise InputError(
            f"{layer.name}: expected shapes with an area, got none; draw rectangles, ellipses or polygons"
        )
    if len(outlined) < len(layer.data):
        show_info(f"{layer.name}: {len(layer.data) - len(outlined)} shape(s) without an area were left out")
    return _write(path, layer, iter(outlined))


def _write(path: str, layer: Any, features: Iterator[Feature]) -> list[str]:
    target = saved_path(path, "geojson")
    matrix, image = to_image(layer)
    written: Written = write_geojson(target, (_moved(one, matrix) for one in features))
    if written.left_out:
        show_info(f"{target.name}: {written.left_out} object(s) smaller than 0.01 px were left out")
    if image is None:
        show_info(f"{target.name}: no image of {layer.name} is open, so coordinates are pixels of the layer")
    return [str(target)]


def to_image(layer: Any) -> tuple[NDArray[np.float64] | None, Any]:
    """How (x, y) of a layer's pixels become those of its image, and the image.

    Returns
    -------
    matrix : ndarray or None
        (2, 3): the linear part and the shift; corners of pixels, not their middles, are at whole numbers.
        None where nothing changes.
    image : Image or None
        The layer of the image.
    """
    viewer = current_viewer()
    if viewer is None:
        return None, None
    image = image_of(layer, viewer.layers) or chosen_image(viewer)
    if image is None:
        return None, None
    columns = []
    for row, column in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)):
        point = np.zeros(layer.ndim)
        point[-2:] = row, column
        columns.append(data_point(image, viewer_point(layer, point, viewer.layers), viewer.layers)[-2:])
    zero, down, right = (np.array(point, dtype=np.float64)[::-1] for point in columns)
    linear = np.stack([right - zero, down - zero], axis=1)
    # napari's whole numbers are the middles of pixels
    shift = zero + 0.5 - linear @ np.array([0.5, 0.5])
    found = np.concatenate([linear, shift[:, None]], axis=1)
    same = np.allclose(found, [[1, 0, 0], [0, 1, 0]], atol=1e-6)
    return (None if same else found), image


def _moved(feature: Feature, matrix: NDArray[np.float64] | None) -> Feature:
    if matrix is None:
        return feature
    geometry = shapely.transform(feature.geometry, lambda points: points @ matrix[:, :2].T + matrix[:, 2])
    return replace(feature, geometry=geometry)


def _without_no_class(feature: Feature) -> Feature:
    return replace(feature, class_name=None, colour=None) if feature.class_name == NO_CLASS else feature


def _outlined(layer: Any) -> Iterator[Feature]:
    """Shapes with an area, in pixels of the layer."""
    table = layer.features
    column = next((name for name in _CLASS_COLUMNS if name in table), None)
    for i, (kind, points) in enumerate(zip(layer.shape_type, layer.data, strict=True)):
        if kind not in ("rectangle", "ellipse", "polygon"):
            continue
        corners = np.asarray(points, dtype=np.float64)[:, -2:][:, ::-1] + 0.5
        ring = _ellipse(corners) if kind == "ellipse" else corners
        polygon = only_polygons(shapely.make_valid(Polygon(ring))) if len(ring) > 2 else None
        if polygon is None or not polygon.area:
            continue
        name = None if column is None else str(table[column].iloc[i]).strip()
        colour = hex_of(np.rint(255 * np.asarray(layer.edge_color[i], dtype=float)))
        yield Feature(geometry=polygon, class_name=name or None, colour=colour if name else None)


def _ellipse(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ellipse in a box of four corners, which may be turned."""
    centre = corners.mean(axis=0)
    one, other = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)[:, None]
    found: NDArray[np.float64] = centre + np.cos(angle) * one + np.sin(angle) * other
    return found
