"""File > Open for GeoJSON of QuPath and others: annotations and detections as labels over their image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from napari import current_viewer
from napari.layers import Labels
from napari.utils.notifications import show_info
from numpy.typing import NDArray

from napari_construct.annotations import Feature
from napari_construct.classes import MAX_CLASSES, MAX_NAME, ClassTable, TissueClass, palette_colour
from napari_construct.data.geojson import read_geojson
from napari_construct.data.polygons import draw_polygons
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.geojson import ENDINGS
from napari_construct.reading.names import folded, named
from napari_construct.reading.packed import holds_member
from napari_construct.reading.places import is_file
from napari_construct.widgets.files.names import annotations_stem
from napari_construct.widgets.files.writers import class_table
from napari_construct.widgets.layers import (
    METADATA_KEY,
    NO_MASKS,
    labels_layer,
    layer_shape,
    plane_on_view,
    same_image,
    slice_point,
)
from napari_construct.widgets.layers.place import coarser
from napari_construct.widgets.layers.source_image import chosen_image

LayerData = tuple[Any, Mapping[str, Any], str]

LARGEST: Final = 16384 * 16384
"""Pixels of a layer; what is larger is drawn on coarser pixels."""
NO_CLASS: Final = "(no class)"
"""What objects without a class are called."""

_MOST: Final = 2_000_000
_DETECTIONS: Final = frozenset({"detection", "cell", "tile"})
_IGNORED: Final = "ignore*"
_KINDS: Final = {"annotations": False, "detections": True}


def get_reader(path: str | Sequence[str]) -> Any:
    """The reader of GeoJSON; None of archives that hold no such file."""
    paths = [path] if isinstance(path, str) else list(path)
    return read if paths and all(map(_is_geojson, paths)) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Labels layers of annotations and of detections, each on its image.

    That is the image whose file has the same name, else the selected one, else the only one. Without an image
    the layer is as large as the objects need.

    Raises
    ------
    InputError
        If a file is damaged, or holds no objects with an area.
    """
    paths = [path] if isinstance(path, str) else list(path)
    found: list[LayerData] = []
    for one in paths:
        layers, notices = layers_of_geojson(Path(one), current_viewer())
        found += [layer.as_layer_data_tuple() for layer in layers]
        for text in notices:
            show_info(text)
    return found


def layers_of_geojson(path: Path, viewer: Any = None) -> tuple[list[Labels], tuple[str, ...]]:
    """Layers of a file over an image of a viewer, and notices.

    Parameters
    ----------
    path : Path
        The file.
    viewer : napari.viewer.Viewer, optional
        Whose images are looked at.

    Raises
    ------
    InputError
        As of :func:`read`.
    """
    features = read_geojson(path)
    objects: list[Feature] = []
    for one in features:
        objects.append(one)
        if len(objects) > _MOST:
            raise InputError(
                f"{path.name}: expected at most {_MOST:,} objects, got more; export a part of them"
            )
    if not objects:
        said = "; ".join(features.notices) or "the file is empty"
        raise InputError(f"{path.name}: expected outlined objects, got none ({said})")
    stem = annotations_stem(path)
    image = None if viewer is None else chosen_image(viewer, stem)
    table, notices = class_table_of(objects, _known_classes(viewer, image))
    kinds = {name: [one for one in objects if (one.object_type in _DETECTIONS) is small]
             for name, small in _KINDS.items()}  # fmt: skip
    made = []
    for kind, of in kinds.items():
        if of:
            layer, more = _layer(of, table, kind, stem, image, viewer)
            made.append(layer)
            notices += more
    return made, (*features.notices, *dict.fromkeys(notices))


def class_table_of(
    objects: Iterable[Feature], known: ClassTable | None = None
) -> tuple[ClassTable, list[str]]:
    """The classes of objects: those of ``known``, then the others in the file's colours; and notices.

    Names are compared without case and outer spaces. ``Ignore*`` is marked as ignored.

    Raises
    ------
    InputError
        If there are too many classes.
    """
    classes = {_key(tissue.name): tissue for tissue in known or ()}
    nameless, count = 0, len(classes)
    for one in objects:
        name = NO_CLASS if one.class_name is None else _printable(one.class_name)
        nameless += one.class_name is None
        if _key(name) not in classes:
            colour = one.colour or palette_colour(len(classes))
            ignored = name.partition(":")[0].strip().lower() == _IGNORED
            classes[_key(name)] = TissueClass(name=name, colour=colour, ignored=ignored)
    if len(classes) > MAX_CLASSES:
        raise InputError(
            f"expected at most {MAX_CLASSES} classes, got {len(classes)}; merge classes in "
            "QuPath, and export again"
        )
    notices = [f"{nameless} object(s) have no class and are shown as {NO_CLASS}"] if nameless else []
    added = [tissue.name for tissue in classes.values()][count:]
    if known is not None and added:
        notices.append(f"classes that the image's mask does not have were added: {named(added)}")
    return ClassTable(classes=tuple(classes.values())), notices


def draw(
    objects: Sequence[Feature], table: ClassTable, shape: tuple[int, int], step: float = 1.0
) -> NDArray[np.uint8]:
    """``shape`` uint8: ``i + 1`` is class ``i``; smaller objects lie over larger ones, as in QuPath."""
    values = {_key(tissue.name): i for i, tissue in enumerate(table, start=1)}
    areas = shapely.area(np.array([one.geometry for one in objects], dtype=object))
    order = np.argsort(-areas, kind="stable").tolist()
    shown = (_renamed(objects[i]) for i in order)
    drawn: NDArray[np.uint8] = draw_polygons(shown, shape, values=values, downsample=step)
    return drawn


def _layer(
    objects: Sequence[Feature], table: ClassTable, kind: str, stem: str, image: Any, viewer: Any
) -> tuple[Labels, list[str]]:
    notices = []
    if image is None:
        bounds = shapely.total_bounds(np.array([one.geometry for one in objects], dtype=object))
        rows, columns = (max(1, math.ceil(end)) for end in (bounds[3], bounds[2]))
        placement: dict[str, Any] = {}
        notices.append(
            f"{stem}: no image is open for its objects; open the image first, then this "
            "file, to have them on it"
        )
    else:
        plane = plane_on_view(image, slice_point(image, viewer))
        rows, columns = layer_shape(image)[-2:]
        placement = dict(plane.placement)
    step = 1
    while math.ceil(rows / step) * math.ceil(columns / step) > LARGEST:
        step *= 2
    shape = math.ceil(rows / step), math.ceil(columns / step)
    labels = draw(objects, table, shape, float(step))
    if step > 1:
        notices.append(
            f"{stem}: drawn on pixels of {step} x {step} of the image's, which is too large for a layer"
        )
    if image is not None:
        labels = plane.embed(labels)
        placement = coarser(placement, (float(step), float(step))) if step > 1 else placement
    elif step > 1:
        placement = {"scale": (step, step), "translate": ((step - 1) / 2,) * 2}
    if not labels.any() and image is not None:
        notices.append(f"{stem}: none of its {kind} lies on {image.name}; check that it is the right image")
    counts = np.bincount(labels.ravel(), minlength=len(table) + 1)[1:]
    features = {
        "index": list(range(1, len(table) + 1)),
        "class": list(table.names),
        "pixels": (counts * step**2).tolist(),
    }
    name = stem if image is None else image.name
    record = {} if image is None else {"input": {"name": image.name}}
    layer = labels_layer(labels, table, name, features=features, record=record, **placement)
    layer.name = f"{name} {kind}"
    layer.metadata[METADATA_KEY]["file"] = str(stem)
    return layer, notices


def _known_classes(viewer: Any, image: Any) -> ClassTable | None:
    """Classes and colours of a mask of the image, which new layers share."""
    if viewer is None or image is None:
        return None
    for layer in reversed(list(viewer.layers)):
        known = layer.metadata.get(METADATA_KEY, {})
        if known.get("classes") and known.get("kind") not in NO_MASKS and same_image(layer, image):
            try:
                return class_table(layer)
            except (ConfigurationError, InputError):
                continue
    return None


def _renamed(feature: Feature) -> Feature:
    name = NO_CLASS if feature.class_name is None else _printable(feature.class_name)
    return Feature(geometry=feature.geometry, class_name=_key(name))


def _key(name: str) -> str:
    return folded(" ".join(name.split()))


def _printable(name: str) -> str:
    """A class name as class tables take it."""
    kept = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(kept.split())[:MAX_NAME] or NO_CLASS


def _is_geojson(path: str) -> bool:
    name = Path(path).name.lower()
    if not name.endswith(ENDINGS) or not is_file(Path(path)):
        return False
    return not name.endswith(".zip") or holds_member(path, (".geojson", ".json"))
