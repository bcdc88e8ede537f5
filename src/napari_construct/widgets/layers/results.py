"""Results as new layers, exactly on their plane.

The layers of an image have its name in front: "slide mask", "slide tumour (class map)".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.results.result import SegmentationResult
from napari_construct.widgets.layers.colours import class_colormap, label_colormap
from napari_construct.widgets.layers.features import Features, joined_features, label_features
from napari_construct.widgets.layers.origin import CLASS_MAP, DISTANCE_MAP, mark, origin_of
from napari_construct.widgets.layers.place import METADATA_KEY, twin_placement
from napari_construct.widgets.layers.plane import Plane

_MAPS: Final = "maps"
_DISTANCES: Final = "distances"


def result_layer(
    result: SegmentationResult,
    plane: Plane,
    table: ClassTable | None = None,
    features: Features | None = None,
) -> Labels:
    """The mask of a plane; its class maps stay with it, for :func:`class_map_layers`.

    Call it in the worker's thread: to make a layer takes napari up to seconds, as it compiles the first
    mapping of labels to colours. ``table`` holds the user's colours of the classes; ``features`` are those of
    :func:`label_features`, where they are known.
    """
    layer = labels_layer(
        plane.embed(result.labels),
        table or result.classes,
        plane.name,
        features=features or label_features(result),
        record=result.record,
        **plane.placement,
    )
    if result.distances is not None:
        grid = result.distances
        _keep_distances(layer, DistanceMaps(plane.name, _limit(result), lambda: plane.embed(grid.map())))
    cams = result.cams  # not the whole result, which is larger
    return _keep_maps(layer, plane.name, result.classes, lambda i: plane.embed(cams[i]))


def stack_layer(
    results: Sequence[SegmentationResult],
    planes: Sequence[Plane],
    axis: int,
    table: ClassTable | None = None,
    features: Sequence[Features] | None = None,
) -> Labels:
    """As :func:`result_layer` for the planes along an axis of a stack; areas are sums over the planes.

    Fewer results than planes belong to the first planes; the others stay empty.
    """
    first, classes = planes[0], results[0].classes

    def joined(arrays: Iterable[NDArray[Any]]) -> NDArray[Any]:
        done = list(arrays)
        every = [*done, *[np.zeros_like(done[0])] * (len(planes) - len(done))]
        return np.concatenate([plane.embed(a) for plane, a in zip(planes, every, strict=True)], axis=axis)

    layer = labels_layer(
        joined(r.labels for r in results),
        table or classes,
        first.name,
        features=joined_features(features or [label_features(result) for result in results]),
        record={"planes": [dict(result.record) for result in results]},
        **first.placement,
    )
    grids = [r.distances for r in results]
    if known := [grid for grid in grids if grid is not None]:
        of = DistanceMaps(first.name, _limit(results[0]), lambda: joined(grid.map() for grid in known))
        _keep_distances(layer, of)
    cams = [r.cams for r in results]
    return _keep_maps(layer, first.name, classes, lambda i: joined(maps[i] for maps in cams))


def class_map_layers(mask: Labels, table: ClassTable | None = None) -> list[Image]:
    """The class maps of a mask of this session: image layers where it lies, in the colours of a table.

    Those of classes with a pixel in the mask are visible.
    """
    known = mask.metadata.get(METADATA_KEY, {})
    maps: ClassMaps | None = known.get(_MAPS)
    if maps is None:
        return []
    shown = dict(zip(mask.features["class"], mask.features["pixels"], strict=True))
    origin, made = origin_of(mask), []
    for i, tissue in enumerate(_styled(maps.classes, table)):
        layer = cam_layer(maps.of(i), tissue, maps.source, record=known["record"], **twin_placement(mask))
        layer.visible = bool(shown.get(maps.classes[i].name))
        if origin is not None:
            mark(layer, replace(origin, kind=CLASS_MAP, part=maps.classes[i].name))
        made.append(layer)
    return made


def distance_map_layers(mask: Labels) -> list[Image]:
    """The map of distances from the model's training images of a mask of this session; none without a guard.

    The limit lies in the middle of the colours: what is brighter is out of distribution.
    """
    known = mask.metadata.get(METADATA_KEY, {})
    maps: DistanceMaps | None = known.get(_DISTANCES)
    if maps is None:
        return []
    layer = Image(
        maps.of(),
        name=f"{maps.source} (distance map)",
        metadata={METADATA_KEY: {"kind": "ood", "limit": maps.limit, "record": known["record"]}},
        contrast_limits=(0.0, 2 * maps.limit),
        colormap="inferno",
        blending="translucent_no_depth",
        opacity=0.6,
        **twin_placement(mask),
    )
    if (origin := origin_of(mask)) is not None:
        mark(layer, replace(origin, kind=DISTANCE_MAP))
    return [layer]


@dataclass(frozen=True, slots=True, eq=False)
class DistanceMaps:
    """The distances of a mask, not yet a layer: ``of()`` makes them; ``limit`` is of the first plane."""

    source: str
    limit: float
    of: Callable[[], NDArray[Any]]

    def __deepcopy__(self, memo: dict[int, Any]) -> DistanceMaps:
        return self


def _limit(result: SegmentationResult) -> float:
    found = result.out_of_distribution
    return 1.0 if found is None else found.limit


def _keep_distances(layer: Labels, maps: DistanceMaps) -> None:
    layer.metadata[METADATA_KEY][_DISTANCES] = maps


@dataclass(frozen=True, slots=True, eq=False)
class ClassMaps:
    """The class maps of a mask, not yet layers: ``of(i)`` is that of class ``i``, 0 to 1."""

    source: str
    classes: ClassTable
    of: Callable[[int], NDArray[Any]]

    def __deepcopy__(self, memo: dict[int, Any]) -> ClassMaps:
        return self


def _keep_maps(layer: Labels, source: str, classes: ClassTable, of: Callable[[int], NDArray[Any]]) -> Labels:
    layer.metadata[METADATA_KEY][_MAPS] = ClassMaps(source, classes, of)
    return layer


def _styled(classes: ClassTable, table: ClassTable | None) -> ClassTable:
    colours = {tissue.name: tissue.colour for tissue in table or ()}
    styled = (t.model_copy(update={"colour": colours.get(t.name, t.colour)}) for t in classes)
    return ClassTable(classes=tuple(styled))


def cam_layer(
    cam: NDArray[Any] | list[Any],
    tissue: TissueClass,
    source: str,
    *,
    record: Mapping[str, Any],
    **placement: Any,
) -> Image:
    """A class map (CAM, 0 to 1) or its levels in the colour of its class, hidden at first."""
    return Image(
        cam,
        name=f"{source} {tissue.name} (class map)",
        metadata={METADATA_KEY: {"kind": "cam", "class": tissue.name, "record": dict(record)}},
        contrast_limits=(0.0, 1.0),
        colormap=class_colormap(tissue.colour),
        blending="translucent_no_depth",
        opacity=0.6,
        visible=False,
        **placement,
    )


def labels_layer(
    labels: NDArray[Any] | list[Any],
    classes: ClassTable,
    source: str,
    *,
    features: Any,
    record: Mapping[str, Any],
    kind: str = "labels",
    **placement: Any,
) -> Labels:
    """A mask (0 unlabelled, ``i + 1`` class ``i``) or its levels in the classes' colours, with its table.

    ``kind`` is "labels" for a mask of Segment, "refined" for one of Refine.
    """
    if isinstance(labels, list) and len(labels) == 1:  # napari takes the axes of such a pyramid for others
        labels, placement = labels[0], {**placement, "multiscale": False}
    layer = Labels(
        labels,
        name=f"{source} mask" if kind == "labels" else f"{source} ({kind})",
        metadata={METADATA_KEY: {"kind": kind, "classes": classes.names, "record": dict(record)}},
        features=features,
        colormap=label_colormap(classes),
        opacity=0.45,
        **placement,
    )
    bind_digits(layer, len(classes))
    return layer


_PAINTING: Final = {"paint", "fill", "polygon"}


def bind_digits(layer: Labels, classes: int | Sequence[int]) -> None:
    """Keys 1 to 9 choose the class with a painting tool; with other tools they choose tools, as in napari.

    ``classes`` is their number or, where class ``i`` is not value ``i + 1``, the value of each.
    """
    values = range(1, classes + 1) if isinstance(classes, int) else classes
    for digit, value in enumerate(values[:9], start=1):
        layer.bind_key(str(digit), _chooser(digit, value), overwrite=True)


def _chooser(digit: int, value: int) -> Callable[[Labels], Any]:
    """The action of a digit.

    It is no ``partial``: napari reads the name of everything bound on a layer at every key, and without a
    name no key of the layer works.
    """

    def choose_class(layer: Labels) -> Any:
        if str(layer.mode) in _PAINTING:
            layer.selected_label = value
            return None
        usual = next((f for key, f in Labels.class_keymap.items() if str(key) == str(digit)), None)
        return None if usual is None else usual(layer)

    return choose_class
