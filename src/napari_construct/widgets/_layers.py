"""The one door between napari's layers and arrays.

In: the plane of an image layer that is on view, as RGB, whatever the layer holds. Out: results as new layers
that lie exactly where the plane lies; a layer that is there already is never written to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from napari.layers import Image, Labels, Layer, Shapes
from napari.utils.colormaps import Colormap, DirectLabelColormap
from numpy.typing import NDArray

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.data import rgb as _rgb
from napari_construct.data.resolution import plausible
from napari_construct.exceptions import InputError
from napari_construct.inference.result import SegmentationResult
from napari_construct.types import RGBImage

Window = tuple[slice, slice]
"""Rows and columns of a part of an image; both have a start and a stop."""

METADATA_KEY: Final = "napari_construct"
"""Under this key a layer's metadata tell where it came from."""

_EVIDENCE: Final = "decided"

_PLACEMENT: Final = ("scale", "rotate", "shear", "units", "axis_labels")


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One plane of an image layer, as it was when the job was started.

    Attributes
    ----------
    name : str
        The layer's name.
    data : array-like
        The whole array at full resolution, not read yet: numpy, dask or zarr.
    index : tuple of int
        Which plane, one index for each axis before the rows and columns; empty for a single image.
    placement : mapping
        Keyword arguments that put a new layer of the same number of axes onto this plane.
    mpp : float or None
        Micrometres per pixel, where the layer's units are lengths.
    notices : tuple of str
        What the user should know before the result is trusted.
    path : str or None
        File that holds exactly this plane, where napari knows it.
    window : tuple of slice or None
        Rows and columns of the part that is taken; None takes the whole plane.
    """

    name: str
    data: Any
    index: tuple[int, ...]
    placement: Mapping[str, Any]
    mpp: float | None = None
    notices: tuple[str, ...] = ()
    path: str | None = None
    window: Window | None = None

    def rgb(self) -> tuple[RGBImage, tuple[str, ...]]:
        """Read the plane: (h, w, 3) uint8, and notices of what had to be changed. Slow for lazy arrays.

        Raises
        ------
        InputError
            If the plane is too small, too large, or holds values that are no brightness.
        """
        key = (*self.index, *(self.window or ()))
        pixels, notices = _rgb.as_rgb(self.data[key] if key else self.data, name=self.name)
        return pixels, self.notices + notices

    def embed(self, array: NDArray[Any]) -> NDArray[Any]:
        """(h, w) as an array with the layer's number of axes, of length one before rows and columns."""
        return array.reshape((1,) * len(self.index) + array.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """What a mask was decided from, so that other settings can be tried without the network.

    Attributes
    ----------
    activation : Activation
        What the network saw.
    predictor : Predictor
        Without its network.
    settings : SegmentSettings
        Under which the mask was made.
    plane : Plane
        Where it lies.
    model : str
        Name or path of the model.
    """

    activation: Any
    predictor: Any
    settings: Any
    plane: Plane
    model: str

    def __deepcopy__(self, memo: dict[int, Any]) -> Decided:
        return self  # nothing in it changes; a duplicated layer shares it


def keep_evidence(layer: Labels, decided: Decided) -> None:
    """Attach to a mask what it was decided from; it goes when the layer goes."""
    layer.metadata[METADATA_KEY][_EVIDENCE] = decided


def evidence(layer: Any) -> Decided | None:
    """What a mask of Segment tissue was decided from; None for every other layer."""
    known = layer.metadata.get(METADATA_KEY, {}) if isinstance(layer, Labels) else {}
    return known.get(_EVIDENCE) if known.get("kind") == "labels" else None


def is_source(layer: Any) -> bool:
    """Whether a layer can be segmented: an image that is not one of our own results."""
    return type(layer).__name__ == "Image" and METADATA_KEY not in layer.metadata


def plane_on_view(layer: Any, point: tuple[float, ...], window: Window | None = None) -> Plane:
    """The plane of an image layer at a position in the viewer, or a part of it.

    Rows and columns are the layer's last two axes; every axis before them counts planes.

    Parameters
    ----------
    layer : napari.layers.Image
        The source; of a multiscale image the full resolution is taken.
    point : tuple of float
        World position of the slice on view, ``viewer.dims.point``.
    window : tuple of slice, optional
        Rows and columns of the part that is wanted.
    """
    shape = layer_shape(layer)
    coordinates = np.asarray(layer.world_to_data(point))[-layer.ndim :]
    index = tuple(
        int(np.clip(np.rint(c), 0, n - 1)) for c, n in zip(coordinates[:-2], shape[:-2], strict=True)
    )
    return plane_at(layer, index, window)


def plane_at(layer: Any, index: tuple[int, ...], window: Window | None = None) -> Plane:
    """The plane of an image layer at an index, or a part of it."""
    return Plane(
        name=layer.name,
        data=layer.data[0] if layer.multiscale else layer.data,
        index=index,
        placement=_placement(layer, index, window),
        mpp=micrometres_per_pixel(layer),
        notices=_channel_notice(layer, layer_shape(layer)),
        path=None if index or layer.source.path is None else str(layer.source.path),
        window=window,
    )


def layer_shape(layer: Any) -> tuple[int, ...]:
    """Shape of an image layer at full resolution, without colour."""
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(data.shape[:-1]) if layer.rgb else tuple(data.shape)


def micrometres_per_pixel(layer: Any) -> float | None:
    """Size of a pixel from the layer's scale and units; None where the units are pixels or implausible.

    Unequal rows and columns give their geometric mean.
    """
    factors = [_micrometres(unit) for unit in getattr(layer, "units", ())]
    if len(factors) < 2 or None in factors[-2:]:
        return None
    per_axis = np.array([f or 0.0 for f in factors])
    origin = np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
    sides = []
    for axis in (-2, -1):
        step = np.zeros(layer.ndim)
        step[axis] = 1.0
        sides.append(float(np.linalg.norm((np.asarray(layer.data_to_world(step)) - origin) * per_axis)))
    return plausible(float(np.sqrt(sides[0] * sides[1])))


def result_layers(result: SegmentationResult, plane: Plane, table: ClassTable | None = None) -> list[Layer]:
    """One image layer for each class's CAM, then the labels, in the order in which they are added.

    To be called in the worker's thread: making a layer takes napari up to seconds (it compiles the first
    mapping of labels to colours), adding it to a viewer only tens of milliseconds. ``table`` holds the
    colours in which the user wants to see the classes.
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
    """As :func:`result_layers` for the planes along an axis of a stack; areas are those of all planes."""
    table = table or results[0].classes
    first = planes[0]
    record = {"planes": [dict(result.record) for result in results]}

    def joined(arrays: Iterable[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([plane.embed(a) for plane, a in zip(planes, arrays, strict=True)], axis=axis)

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
    """A class's activation (0 to 1) in its colour, hidden at first: the mask comes first."""
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
    """A mask (0 unlabelled, ``i + 1`` class ``i``) in the classes' colours, with their table.

    ``kind`` is "labels" for what the model said, "refined" for what Refine made of it.
    """
    return Labels(
        labels,
        name=f"{source} ({'tissue' if kind == 'labels' else kind})",
        metadata={METADATA_KEY: {"kind": kind, "classes": classes.names, "record": dict(record)}},
        features=features,
        colormap=label_colormap(classes),
        opacity=0.45,
        **placement,
    )


def twin_placement(layer: Any) -> dict[str, Any]:
    """Keyword arguments that put a new layer of the same shape exactly where ``layer`` is."""
    placement = {name: getattr(layer, name) for name in (*_PLACEMENT, "translate") if hasattr(layer, name)}
    placement["affine"] = np.array(layer.affine.affine_matrix)
    return {key: np.array(v) if isinstance(v, np.ndarray) else v for key, v in placement.items()}


def window_on_view(layer: Any) -> Window | None:
    """Rows and columns of a 2-D layer (or of a plane) on the canvas; None where that is most of it."""
    corners = np.asarray(layer.corner_pixels)[:, -2:]
    shape = layer.data.shape[-2:]
    window = _within(corners[0], corners[1] + 1, shape)
    if window is None or _area(window) > 0.7 * shape[0] * shape[1]:
        return None
    return window


def region_window(layer: Any, region: str, layers: Iterable[Any]) -> Window | None:
    """Rows and columns of the part of an image that a user means.

    Parameters
    ----------
    layer : napari.layers.Image
        The image.
    region : str
        "whole", "visible", or "shapes": the box around the selected shapes of the viewer, or around all of
        the shapes layers' where none is selected.
    layers : iterable of Layer
        Of the viewer.

    Raises
    ------
    InputError
        If there are no shapes, or the region holds hardly any of the image.
    """
    shape = layer_shape(layer)[-2:]
    if region == "whole":
        return None
    if region == "visible":
        corners = np.asarray(layer.corner_pixels)[:, -2:]
        low, high = corners[0], corners[1] + 1
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


def _shape_corners(layer: Any, layers: Iterable[Any]) -> NDArray[Any]:
    """(n, 2) rows and columns, in the image, of the vertices of shapes."""
    shapes = [other for other in layers if isinstance(other, Shapes) and other.nshapes]
    selected = [(s, sorted(s.selected_data)) for s in shapes if s.selected_data]
    chosen = selected or [(s, list(range(s.nshapes))) for s in shapes]
    if not chosen:
        raise InputError(
            "expected a shape that marks the region, got none; draw a rectangle on a new shapes layer"
        )
    world = [s.data_to_world(vertex) for s, indices in chosen for i in indices for vertex in s.data[i]]
    return np.array([np.asarray(layer.world_to_data(point))[-2:] for point in world])


def _within(low: Any, high: Any, shape: tuple[int, ...]) -> Window | None:
    """A box cut to the image; None where less than 16 pixels are left."""
    low, high = np.clip(low, 0, shape), np.clip(high, 0, shape)
    if (high - low < 16).any():
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _area(window: Window) -> int:
    return (window[0].stop - window[0].start) * (window[1].stop - window[1].start)


def joined_features(tables: Sequence[Mapping[str, list[Any]]]) -> dict[str, list[Any]]:
    """One table of several planes: areas are added, shares and confidences weighted by area."""
    names = list(tables[0])
    joined = {name: list(tables[0][name]) for name in names}
    pixels = np.array([t["pixels"] for t in tables], dtype=np.float64)
    tissue = np.array([sum(t["pixels"]) / max(sum(t["percent"]) / 100, 1e-9) for t in tables])
    for name in names:
        values = [t[name] for t in tables]
        if name in {"pixels", "mm2"}:
            joined[name] = np.sum(values, axis=0).tolist()
        elif name == "percent":
            joined[name] = (100 * pixels.sum(0) / max(float(tissue.sum()), 1.0)).tolist()
        elif name == "mean confidence":
            total = np.nansum(np.array(values) * pixels, axis=0)
            joined[name] = np.where(pixels.sum(0) > 0, total / np.maximum(pixels.sum(0), 1), np.nan).tolist()
        elif name == "present":
            joined[name] = np.any(values, axis=0).tolist()
        elif name == "presence score":
            joined[name] = np.max(values, axis=0).tolist()
    return joined


def camera(viewer: Any) -> Any:
    """Where the canvas looks; napari 0.9 moved it into the scene."""
    return getattr(viewer, "scene", viewer).camera


def label_features(result: SegmentationResult) -> dict[str, list[Any]]:
    """Columns of the labels' table, one row a class: areas, mean confidence (0 to 1), presence.

    The column ``index`` is the label's value; napari finds rows by it.
    """
    k = len(result.classes)
    areas = result.areas()
    flat = result.labels.ravel()
    total = np.bincount(flat, weights=result.confidence.ravel(), minlength=k + 1)[1 : k + 1]
    count = np.bincount(flat, minlength=k + 1)[1 : k + 1]
    mean = np.full(k, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return {
        "index": list(range(1, k + 1)),
        **{column: [area[column] for area in areas] for column in areas[0]},
        "mean confidence": mean.tolist(),
        "present": list(result.presence),
        "presence score": list(result.presence_scores),
    }


def label_colormap(classes: ClassTable) -> DirectLabelColormap:
    """Label ``i + 1`` in the colour of class ``i``; classes not shown and all else are transparent."""
    colours: dict[int | None, Any] = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0)}
    colours |= {i: tissue.colour for i, tissue in enumerate(classes, start=1) if tissue.shown}
    return DirectLabelColormap(color_dict=colours, name="tissue classes")


def recolour(layers: Iterable[Any], table: ClassTable) -> None:
    """Show our own results of these classes in other colours."""
    colours = {tissue.name: tissue.colour for tissue in table}
    for layer in layers:
        known = layer.metadata.get(METADATA_KEY, {})
        if known.get("classes") == table.names:
            layer.colormap = label_colormap(table)
        elif known.get("kind") == "cam" and known.get("class") in colours:
            layer.colormap = class_colormap(colours[known["class"]])


def class_colormap(colour: str) -> Colormap:
    """From transparent to a class's colour: on bright-field images adding light would show nothing."""
    value = int(colour[1:], 16)
    red, green, blue = (channel / 255 for channel in (value >> 16, (value >> 8) & 255, value & 255))
    return Colormap([[red, green, blue, 0.0], [red, green, blue, 1.0]], name=f"class {colour}")


def _placement(layer: Any, index: tuple[int, ...], window: Window | None) -> dict[str, Any]:
    placement = {name: getattr(layer, name) for name in _PLACEMENT if hasattr(layer, name)}
    affine = np.array(layer.affine.affine_matrix)
    placement["affine"] = affine
    # world = affine . (translate + rotate . shear . scale . data): move the origin to the plane
    start = np.zeros(layer.ndim)
    start[: len(index)] = index
    if window is not None:
        start[-2:] = [part.start for part in window]
    moved = np.asarray(layer.data_to_world(start)) - np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
    placement["translate"] = np.asarray(layer.translate) + np.linalg.solve(affine[:-1, :-1], moved)
    return {key: np.array(v) if isinstance(v, np.ndarray) else v for key, v in placement.items()}


def _micrometres(unit: Any) -> float | None:
    """Length of a pint unit in micrometres; None where it is no length."""
    if str(getattr(unit, "dimensionality", "")) != "[length]":
        return None
    return float((1 * unit).to("micrometer").magnitude)


def _channel_notice(layer: Any, shape: tuple[int, ...]) -> tuple[str, ...]:
    if layer.rgb or len(shape) != 3 or shape[0] != 3:
        return ()
    text = (
        f"{layer.name}: one of three planes is read as greyscale; if they are red, green and blue, "
        "merge them to RGB first (right-click on the layer)"
    )
    return (text,)
