"""Similarity maps as layers, and painted layers as regions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_construct.exceptions import InputError
from napari_construct.results.areas import class_pixels
from napari_construct.widgets.layers import (
    METADATA_KEY,
    Origin,
    Plane,
    labels_layer,
    mark,
)
from napari_construct.widgets.layers.drawn import shapes_mask

if TYPE_CHECKING:
    from napari_construct.inference.prototypes.similarity_maps import PrototypeMaps

KIND: Final = "similarity"
DECIDING: Final = "prototypes"


def similarity_layer(maps: PrototypeMaps, plane: Plane, prototype: str) -> Image:
    """The similarity to one prototype, on its plane; contrast limits are the same for all prototypes."""
    layer = Image(
        plane.embed(maps.of(prototype)),
        name=similarity_name(plane, prototype),
        metadata={METADATA_KEY: {"kind": KIND, "prototype": prototype, "record": dict(maps.record)}},
        contrast_limits=maps.limits(),
        colormap="viridis",
        blending="translucent_no_depth",
        opacity=0.75,
        **plane.placement,
    )
    mark(layer, _origin(KIND, maps, plane))
    return layer


def similarity_name(plane: Plane, prototype: str) -> str:
    """Name of the layer."""
    return f"{plane.name} {prototype} (similarity)"


def deciding_layer(maps: PrototypeMaps, plane: Plane) -> Labels:
    """Which prototype decides each pixel, the nearest one, in shades of the classes' colours."""
    from napari_construct.inference.prototypes.names import prototype_table

    deciding = maps.deciding()
    count = class_pixels(deciding, len(maps.prototypes))
    features = {
        "index": [p.index + 1 for p in maps.prototypes],
        "prototype": [p.name for p in maps.prototypes],
        "class": [p.tissue for p in maps.prototypes],
        "percent_of_image": (100 * count / deciding.size).tolist(),
    }
    layer = labels_layer(
        plane.embed(deciding),
        prototype_table(maps.prototypes, maps.classes),
        plane.name,
        features=features,
        record=maps.record,
        kind=DECIDING,
        **plane.placement,
    )
    layer.name = f"{plane.name} (deciding prototype)"
    mark(layer, _origin(DECIDING, maps, plane))
    return layer


def _origin(kind: str, maps: PrototypeMaps, plane: Plane) -> Origin:
    model = maps.record["model"]
    return Origin(kind, plane.layer, (plane.index, plane.window), (model["name"], model["sha256"]))


def can_be_painted(layer: Any) -> bool:
    """Whether a layer can mark a region: labels or shapes that are no result of this plugin."""
    return type(layer).__name__ in ("Labels", "Shapes") and METADATA_KEY not in layer.metadata


def painted_region(layer: Any, image: Any, plane: Plane, layers: Iterable[Any] = ()) -> NDArray[np.bool_]:
    """(h, w) bool: the painted pixels of a plane.

    The selected label counts, or all labels if it is not painted; the selected shapes, or all.

    Parameters
    ----------
    layer : napari.layers.Labels or Shapes
        The painted layer.
    image : napari.layers.Image
        The layer of the plane.
    plane : Plane
        The plane, or a region of it.
    layers : LayerList
        Of the viewer that shows both: they may have different units.

    Raises
    ------
    InputError
        If labels do not have the image's size.
    """
    data = image.data[0] if image.multiscale else image.data
    shape = data.shape[:-1] if image.rgb else data.shape
    if isinstance(layer, Labels):
        whole = _of_labels(layer, shape, plane)
    else:
        whole = shapes_mask(layer, image, (shape[-2], shape[-1]), layers)
    return whole if plane.window is None else np.ascontiguousarray(whole[plane.window])


def _of_labels(layer: Any, shape: tuple[int, ...], plane: Plane) -> NDArray[np.bool_]:
    values = layer.data[0] if layer.multiscale else layer.data
    if values.shape[-2:] != shape[-2:]:
        raise InputError(
            f"{layer.name}: expected labels of the image's size {shape[-2:]}, got {values.shape[-2:]}; add a "
            "labels layer while the image is the only layer, and paint on it"
        )
    index = plane.index[-(values.ndim - 2) :] if values.ndim > 2 else ()
    painted = np.asarray(values[index])
    chosen: NDArray[np.bool_] = painted == layer.selected_label
    return chosen if layer.selected_label and chosen.any() else painted != 0
