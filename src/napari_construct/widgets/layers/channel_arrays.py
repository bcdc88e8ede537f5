"""Image layers as channels: each layer one, or one for each index of an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_construct.exceptions import InputError
from napari_construct.widgets.layers.pixel_size import layer_shape
from napari_construct.widgets.layers.place import METADATA_KEY


def is_channel(layer: Any) -> bool:
    """Whether a layer holds brightness: an image without colours that is no result of this plugin."""
    return type(layer).__name__ == "Image" and not layer.rgb and METADATA_KEY not in layer.metadata


def is_labels(layer: Any) -> bool:
    """Whether a layer holds numbers of cells, drawn or made by any tool."""
    return type(layer).__name__ == "Labels"


def whole_array(layer: Any) -> Any:
    """The array of a layer at full resolution, not read yet."""
    return layer.data[0] if layer.multiscale else layer.data


def kept_array(layer: Any) -> Any:
    """The array of a layer that may be painted on while a job runs: a copy where it lies in memory."""
    array = whole_array(layer)
    return array.copy() if isinstance(array, np.ndarray) else array


def channels_of(layer: Any, axis: int) -> dict[str, Any]:
    """The channels along an axis of a layer, by their positions.

    Raises
    ------
    InputError
        If the layer has no such axis before its rows and columns.
    """
    shape = layer_shape(layer)
    if axis >= len(shape) - 2:
        raise InputError(
            f"{layer.name}: expected an axis of channels before rows and columns, got the shape {shape}; "
            "say that the layer is one channel"
        )
    array = whole_array(layer)
    before: tuple[Any, ...] = (slice(None),) * axis
    return {str(i): array[(*before, i)] for i in range(shape[axis])}
