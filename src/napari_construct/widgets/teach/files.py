"""Strokes to and from a folder, as the command ``teach`` reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Image, Labels

from napari_construct.classes import ClassTable
from napari_construct.events import Event, Steps
from napari_construct.widgets.layers import is_source, layer_shape, plane_at
from napari_construct.widgets.layers.pixel_size import own_file
from napari_construct.widgets.layers.strokes import Field, set_used, strokes_layer
from napari_construct.widgets.teach.requests import StrokesOpened, StrokesRequest, StrokesSaved
from napari_construct.widgets.teach.values import in_order
from napari_construct.widgets.teach.work import strokes_of


def save_strokes_job(request: StrokesRequest) -> Steps[StrokesSaved]:
    """Write all strokes with the pixels under them."""
    from napari_construct.teaching.saved import save_strokes

    yield Event("saving", 0, 1)
    classes = request.settings.classes
    order = in_order(request.values or {}, classes.names)
    strokes = [strokes_of(one, order[one.data]) for one in request.painted]
    return StrokesSaved(save_strokes(request.folder, strokes, classes), len(strokes))


def open_strokes_job(request: StrokesRequest) -> Steps[StrokesOpened]:
    """Read the strokes of a folder."""
    from napari_construct.teaching.saved import load_strokes

    yield Event("reading the strokes", 0, 1)
    classes, strokes = load_strokes(request.folder)
    fields = tuple(
        (Field(one.name, one.image, one.mpp, one.place, one.source), one.painted, one.used) for one in strokes
    )
    return StrokesOpened(request.folder, classes, fields)


def opened_layers(
    opened: StrokesOpened, table: ClassTable, values: Mapping[str, int], layers: Iterable[Any]
) -> list[Image | Labels]:
    """Layers of opened strokes on their images; where an image is not open, with the pixels under them."""
    images = [layer for layer in layers if is_source(layer)]
    index = np.zeros(256, np.uint8)
    for i, name in enumerate(opened.classes.names, start=1):
        index[i] = values[name]
    made: list[Image | Labels] = []
    for field, painted, used in opened.fields:
        image = next((one for one in images if _shows(one, field)), None)
        placement: dict[str, Any] = {}
        if image is not None:
            window = tuple(
                slice(start, start + side)
                for start, side in zip(field.place, field.image.shape, strict=False)
            )
            plane = plane_at(
                image, (0,) * (image.ndim - 2), None if field.place == (0, 0) else (window[0], window[1])
            )
            field = replace(field, layer=image.unique_id, name=image.name, index=plane.index)  # noqa: PLW2901
            placement = dict(plane.placement)
        else:
            if field.mpp is not None:
                placement = {"scale": (field.mpp,) * 2, "units": ("um",) * 2}
            shown = Image(field.image, rgb=True, name=field.name, **placement)
            field = replace(field, layer=shown.unique_id, place=(0, 0))  # noqa: PLW2901
            made.append(shown)
        layer = strokes_layer(
            field, table, values, painted=index[painted], embedded=len(field.index), **placement
        )
        set_used(layer, used=used)
        made.append(layer)
    return made


def _shows(image: Any, field: Field) -> bool:
    """Whether an image layer is what strokes were painted on: its file, and the pixels at their place."""
    if field.source is None or own_file(image) != field.source or image.ndim != 2:
        return False
    rows, columns = (start + side for start, side in zip(field.place, field.image.shape, strict=False))
    shape = layer_shape(image)
    if rows > shape[-2] or columns > shape[-1]:
        return False
    data = image.data[0] if image.multiscale else image.data
    part = np.asarray(data[field.place[0] : rows, field.place[1] : columns])[..., :3]
    return part.shape == field.image.shape and bool(np.array_equal(part, field.image))
