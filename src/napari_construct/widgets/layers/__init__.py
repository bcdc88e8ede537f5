"""The only door between napari's layers and arrays.

In: the visible plane of an image layer as RGB. Out: results as new layers, exactly on that plane; existing
layers are never written to.
"""

from napari_construct.widgets.layers.colours import class_colormap, label_colormap, recolour
from napari_construct.widgets.layers.evidence import Decided, evidence, evidences, keep_evidence
from napari_construct.widgets.layers.features import joined_features, label_features
from napari_construct.widgets.layers.origin import image_of, keep_source, newest_of, same_image
from napari_construct.widgets.layers.pixel_size import PixelSize, give_size, layer_shape, pixel_size
from napari_construct.widgets.layers.place import (
    METADATA_KEY,
    Window,
    camera,
    micrometres_per_pixel,
    twin_placement,
)
from napari_construct.widgets.layers.plane import Plane, is_source, plane_at, plane_on_view
from napari_construct.widgets.layers.region import region_window, window_on_view
from napari_construct.widgets.layers.results import cam_layer, labels_layer, result_layers, stack_layers
from napari_construct.widgets.layers.view import data_point, look_at, slice_point, viewer_point

__all__ = [
    "METADATA_KEY",
    "Decided",
    "PixelSize",
    "Plane",
    "Window",
    "cam_layer",
    "camera",
    "class_colormap",
    "data_point",
    "evidence",
    "evidences",
    "give_size",
    "image_of",
    "is_source",
    "joined_features",
    "keep_evidence",
    "keep_source",
    "label_colormap",
    "label_features",
    "labels_layer",
    "layer_shape",
    "look_at",
    "micrometres_per_pixel",
    "newest_of",
    "pixel_size",
    "plane_at",
    "plane_on_view",
    "recolour",
    "region_window",
    "result_layers",
    "same_image",
    "slice_point",
    "stack_layers",
    "twin_placement",
    "viewer_point",
    "window_on_view",
]
