"""The only door between napari's layers and arrays.

In: the visible plane of an image layer as RGB. Out: results as new layers, exactly on that plane; existing
layers are never written to.
"""

from napari_construct.widgets.layers.cells import (
    KeptCells,
    cell_features,
    cell_map_layer,
    cell_map_layers,
    cells_layer,
    found_layer,
    keep_cells,
    keep_opened,
    kept_cells,
    opened_cells,
    stacked_cells,
)
from napari_construct.widgets.layers.colours import class_colormap, label_colormap, recolour
from napari_construct.widgets.layers.corrected import (
    CorrectedPlane,
    corrected_planes,
    corrections_layer,
    keep_painted,
)
from napari_construct.widgets.layers.evidence import Decided, evidence, evidences, keep_evidence
from napari_construct.widgets.layers.features import joined_features, label_features
from napari_construct.widgets.layers.origin import (
    CLASS_MAP,
    DISTANCE_MAP,
    MASK,
    REFINED,
    Origin,
    is_untouched,
    mark,
    origin_of,
    show,
    take_over,
    touch,
)
from napari_construct.widgets.layers.outcome import (
    ClassOutcome,
    PlaneOutcome,
    RunOutcome,
    area_in_words,
    in_percent,
    keep_outcome,
    outcome_of,
    plane_outcome,
)
from napari_construct.widgets.layers.pixel_size import PixelSize, give_size, layer_shape, pixel_size
from napari_construct.widgets.layers.place import (
    CELLS,
    METADATA_KEY,
    NO_MASKS,
    Window,
    camera,
    micrometres_per_pixel,
    twin_placement,
)
from napari_construct.widgets.layers.plane import Plane, channel_at, is_source, plane_at, plane_on_view
from napari_construct.widgets.layers.region import region_window, window_on_view
from napari_construct.widgets.layers.results import (
    cam_layer,
    class_map_layers,
    distance_map_layers,
    labels_layer,
    result_layer,
    stack_layer,
)
from napari_construct.widgets.layers.slides import slide_of
from napari_construct.widgets.layers.source_image import image_of, newest_of, same_image
from napari_construct.widgets.layers.view import data_point, look_at, slice_point, viewer_point

__all__ = [
    "CELLS",
    "CLASS_MAP",
    "DISTANCE_MAP",
    "MASK",
    "METADATA_KEY",
    "NO_MASKS",
    "REFINED",
    "ClassOutcome",
    "CorrectedPlane",
    "Decided",
    "KeptCells",
    "Origin",
    "PixelSize",
    "Plane",
    "PlaneOutcome",
    "RunOutcome",
    "Window",
    "area_in_words",
    "cam_layer",
    "camera",
    "cell_features",
    "cell_map_layer",
    "cell_map_layers",
    "cells_layer",
    "channel_at",
    "class_colormap",
    "class_map_layers",
    "corrected_planes",
    "corrections_layer",
    "data_point",
    "distance_map_layers",
    "evidence",
    "evidences",
    "found_layer",
    "give_size",
    "image_of",
    "in_percent",
    "is_source",
    "is_untouched",
    "joined_features",
    "keep_cells",
    "keep_evidence",
    "keep_opened",
    "keep_outcome",
    "keep_painted",
    "kept_cells",
    "label_colormap",
    "label_features",
    "labels_layer",
    "layer_shape",
    "look_at",
    "mark",
    "micrometres_per_pixel",
    "newest_of",
    "opened_cells",
    "origin_of",
    "outcome_of",
    "pixel_size",
    "plane_at",
    "plane_on_view",
    "plane_outcome",
    "recolour",
    "region_window",
    "result_layer",
    "same_image",
    "show",
    "slice_point",
    "slide_of",
    "stack_layer",
    "stacked_cells",
    "take_over",
    "touch",
    "twin_placement",
    "viewer_point",
    "window_on_view",
]
