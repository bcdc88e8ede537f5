"""Results as new layers, exactly on their plane."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.results.result import SegmentationResult
from napari_construct.widgets.layers.colours import class_colormap, label_colormap
from napari_construct.widgets.layers.features import joined_features, label_features
from napari_construct.widgets.layers.place import METADATA_KEY
from napari_construct.widgets.layers.plane import Plane


def result_layers(result: SegmentationResult, plane: Plane, table: ClassTable | None = None) -> list[Layer]:
    """One image layer per CAM, then the labels, in the order in which they are added.

    Call it in the worker's thread: to make a layer takes napari up to seconds, as it compiles the first
    mapping of labels to colours. ``table`` holds the user's colours of the classes.
    """
    table = table or result.classes
    cams = [
        cam_layer(plane.embed(cam), tissue, plane.name, record=result.record, **plane.placement)
        for tissue, cam in zip(table, result.cams, strict=True)
    ]
    labels = labels_layer(
        plane.embed(result.labels),
        table,
        plane.name,
        features=label_features(result),
        record=result.record,
        **plane.placement,
    )
    return [*cams, labels]


def stack_layers(
    results: Sequence[SegmentationResult], planes: Sequence[Plane], axis: int, table: ClassTable | None = None
) -> list[Layer]:
    """As :func:`result_layers` for the planes along an axis of a stack; areas are sums over the planes.

    Fewer results than planes belong to the first planes; the others stay empty.
    """
    table = table or results[0].classes
    first = planes[0]
    record = {"planes": [dict(result.record) for result in results]}

    def joined(arrays: Iterable[NDArray[Any]]) -> NDArray[Any]:
        done = list(arrays)
        every = [*done, *[np.zeros_like(done[0])] * (len(planes) - len(done))]
        return np.concatenate([plane.embed(a) for plane, a in zip(planes, every, strict=True)], axis=axis)

    cams = [
        cam_layer(joined(r.cams[i] for r in results), tissue, first.name, record=record, **first.placement)
        for i, tissue in enumerate(table)
    ]
    labels = labels_layer(
        joined(r.labels for r in results),
        table,
        first.name,
        features=joined_features([label_features(result) for result in results]),
        record=record,
        **first.placement,
    )
    return [*cams, labels]


def cam_layer(
    cam: NDArray[Any], tissue: TissueClass, source: str, *, record: Mapping[str, Any], **placement: Any
) -> Image:
    """A CAM (0 to 1) in the colour of its class, hidden at first."""
    return Image(
        cam,
        name=f"{source} {tissue.name} (CAM)",
        metadata={METADATA_KEY: {"kind": "cam", "class": tissue.name, "record": dict(record)}},
        contrast_limits=(0.0, 1.0),
        colormap=class_colormap(tissue.colour),
        blending="translucent_no_depth",
        visible=False,
        **placement,
    )


def labels_layer(
    labels: NDArray[Any],
    classes: ClassTable,
    source: str,
    *,
    features: Any,
    record: Mapping[str, Any],
    kind: str = "labels",
    **placement: Any,
) -> Labels:
    """A mask (0 unlabelled, ``i + 1`` class ``i``) in the classes' colours, with its table.

    ``kind`` is "labels" for a mask of Segment tissue, "refined" for one of Refine.
    """
    layer = Labels(
        labels,
        name=f"{source} ({'tissue' if kind == 'labels' else kind})",
        metadata={METADATA_KEY: {"kind": kind, "classes": classes.names, "record": dict(record)}},
        features=features,
        colormap=label_colormap(classes),
        opacity=0.45,
        **placement,
    )
    bind_digits(layer, len(classes))
    return layer


_PAINTING: Final = {"paint", "fill", "polygon"}


def bind_digits(layer: Labels, classes: int) -> None:
    """Keys 1 to 9 choose the class with a painting tool; with other tools they choose tools, as in napari."""
    for value in range(1, min(classes, 9) + 1):
        layer.bind_key(str(value), _chooser(value), overwrite=True)


def _chooser(value: int) -> Callable[[Labels], Any]:
    """The action of a digit.

    It is no ``partial``: napari reads the name of everything bound on a layer at every key, and without a
    name no key of the layer works.
    """

    def choose_class(layer: Labels) -> Any:
        if str(layer.mode) in _PAINTING:
            layer.selected_label = value
            return None
        usual = next((f for key, f in Labels.class_keymap.items() if str(key) == str(value)), None)
        return None if usual is None else usual(layer)

    return choose_class
