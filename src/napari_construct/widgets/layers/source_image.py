"""Which image a result was made from, while both are in the viewer."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_construct.reading.names import folded
from napari_construct.widgets.layers.origin import origin_of
from napari_construct.widgets.layers.place import METADATA_KEY
from napari_construct.widgets.layers.plane import is_source
from napari_construct.widgets.layers.slides import slide_file


def same_image(one: Any, other: Any) -> bool:
    """Whether two layers, images or their results, belong to one image.

    Results of this session know their image's layer. For results from files the name in their record counts.
    """
    (a, name), (b, other_name) = _image(one), _image(other)
    return a == b if a is not None and b is not None else bool(name) and name == other_name


def image_of(layer: Any, layers: Iterable[Any]) -> Any:
    """The image that a result was made from, the layer itself if it is one; None if it is not there."""
    if is_source(layer):
        return layer
    if METADATA_KEY not in layer.metadata:
        return None
    return next((image for image in layers if is_source(image) and same_image(image, layer)), None)


def newest_of(layer: Any, offered: Sequence[Any]) -> Any:
    """The layer itself if it is offered, else the last offered one of the same image; None without one."""
    if layer in offered:
        return layer
    if not is_source(layer) and METADATA_KEY not in layer.metadata:
        return None
    return next((other for other in reversed(offered) if same_image(other, layer)), None)


def chosen_image(viewer: Any, stem: str = "") -> Any:
    """The image that something from a file belongs on; None where it is not clear.

    That is the image whose file or layer has this name, else that of the selected layer, else the only one.
    """
    images = [layer for layer in viewer.layers if is_source(layer)]
    if stem:
        wanted = folded(stem)
        for image in images:
            path = slide_file(image)
            names = {image.name} if path is None else {image.name, Path(path).name, Path(path).stem}
            if wanted in {folded(name.removesuffix(".ome")) for name in names}:
                return image
    active = viewer.layers.selection.active
    found = None if active is None else image_of(active, viewer.layers)
    return found or (images[0] if len(images) == 1 else None)


def _image(layer: Any) -> tuple[Hashable | None, str]:
    """The id of the image's layer, None where it is not known, and its name, which may be empty."""
    known = layer.metadata.get(METADATA_KEY)
    if known is None:
        return layer.unique_id, layer.name
    record = known.get("record", {})
    planes = record.get("planes", ()) if isinstance(record, Mapping) else ()
    first = planes[0] if planes else record
    given = first.get("input") if isinstance(first, Mapping) else None  # a file's record may be anything
    name = str(given.get("name", "")) if isinstance(given, Mapping) else ""
    origin = origin_of(layer)
    return None if origin is None else origin.image, name.rpartition(", plane ")[0] or name
