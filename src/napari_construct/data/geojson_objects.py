"""What the objects of a GeoJSON file say, in the words of QuPath and of others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from napari_construct.classes import hex_of

_DEEPEST: Final = 32
_LONGEST: Final = 300
"""Characters of a name."""
_WORDS: Final[Mapping[str, str]] = {
    "PathAnnotationObject": "annotation",
    "PathCellObject": "cell",
    "PathDetectionObject": "detection",
    "PathTileObject": "tile",
    "TMACoreObject": "tmaCore",
    "tma_core": "tmaCore",
}
"""Types of objects in QuPath's earlier versions; 0.2 wrote them as id."""
_TYPES: Final = frozenset({"annotation", "detection", "cell", "tile", "tmaCore", "root"})


class RawObject(NamedTuple):
    """An object before its geometry is made.

    Attributes
    ----------
    outlines : list
        The rings of each of its polygons.
    ellipse : bool
        Whether the outline stands for the ellipse in its bounding box (QuPath).
    fields : dict
        The other parameters of a :class:`~napari_construct.annotations.Feature`.
    """

    outlines: list[Any]
    ellipse: bool
    fields: dict[str, Any]


class Skipped(NamedTuple):
    """An object without an area, with what it is."""

    reason: str


def objects_of(item: Any, depth: int = 0) -> Iterator[RawObject | Skipped]:
    """An object and those within it (``childObjects``); a bare geometry is an object without properties."""
    if not isinstance(item, dict):
        yield Skipped("no object")
        return
    if item.get("type") == "FeatureCollection":
        yield Skipped("collection without features")
        return
    is_feature = "geometry" in item or item.get("type") == "Feature"
    properties = item.get("properties") if is_feature else None
    properties = properties if isinstance(properties, dict) else {}
    geometry = item.get("geometry") if is_feature else item
    fields = _fields(item.get("id") if is_feature else None, properties)
    if fields["object_type"] != "root":
        outlines = _outlines(geometry)
        if isinstance(outlines, Skipped):
            yield outlines
        else:
            yield RawObject(outlines, bool((geometry or {}).get("isEllipse")), fields)
        if "nucleusGeometry" in item:
            yield Skipped("nucleus of a cell")
    children = properties.get("childObjects", properties.get("children"))
    if isinstance(children, list):
        for child in children if depth < _DEEPEST else ():
            yield from objects_of(child, depth + 1)


def _outlines(geometry: Any, depth: int = 0) -> list[Any] | Skipped:
    """The rings of each polygon of a geometry."""
    if not isinstance(geometry, dict):
        return Skipped("object without geometry")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind in ("Polygon", "MultiPolygon") and isinstance(coordinates, list) and coordinates:
        return [coordinates] if kind == "Polygon" else coordinates
    if kind == "GeometryCollection" and isinstance(geometry.get("geometries"), list) and depth < _DEEPEST:
        inner = (_outlines(one, depth + 1) for one in geometry["geometries"])
        found = [outline for one in inner if not isinstance(one, Skipped) for outline in one]
        return found or Skipped("GeometryCollection without polygons")
    known = ("Point", "MultiPoint", "LineString", "MultiLineString")
    return Skipped(kind if kind in known else "object without polygons")


def _fields(identity: Any, properties: dict[str, Any]) -> dict[str, Any]:
    typed = next(
        (properties[key] for key in ("objectType", "object_type", "type") if key in properties), None
    )
    kind = str(identity if typed is None and str(identity) in _WORDS else typed)
    kind = _WORDS.get(kind, kind)
    class_name, colour = _classification(properties.get("classification"))
    return {
        "object_type": kind if kind in _TYPES else "annotation",
        "class_name": class_name,
        "colour": colour,
        "name": _text(properties.get("name")),
        "id": None if str(identity) in _WORDS else _text(identity),
        "locked": properties.get("isLocked") is True,
        "measurements": _measurements(properties.get("measurements")),
    }


def _classification(found: Any) -> tuple[str | None, str | None]:
    """Name and ``#RRGGBB`` of an object, of a bare text, and of QuPath before 0.4 (``colorRGB``)."""
    if not isinstance(found, dict):
        return _text(found), None
    names = found.get("names")
    name = ": ".join(map(str, names)) if isinstance(names, list) and names else found.get("name")
    return _text(name), _colour(found.get("color", found.get("colorRGB")))


def _colour(found: Any) -> str | None:
    if isinstance(found, int) and not isinstance(found, bool):
        return f"#{found & 0xFFFFFF:06X}"  # alpha lies above
    if isinstance(found, list) and len(found) >= 3 and all(isinstance(part, int) for part in found[:3]):
        return hex_of(min(max(part, 0), 255) for part in found[:3])
    return None


def _measurements(found: Any) -> dict[str, float]:
    """Of an object, or of the list of names and values in older files."""
    if isinstance(found, list):
        found = {one["name"]: one.get("value") for one in found if isinstance(one, dict) and "name" in one}
    if not isinstance(found, dict):
        return {}
    numbers = {str(name)[:_LONGEST]: _number(value) for name, value in found.items()}
    return {name: value for name, value in numbers.items() if value is not None}


def _number(value: Any) -> float | None:
    """A number, also one that JSON has no sign for and that is written as text ("NaN")."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value) if not isinstance(value, str) or len(value) < 40 else None
    except (ValueError, OverflowError):
        return None


def _text(value: Any) -> str | None:
    """A name; what is no text is written as text (a number as id)."""
    if value is None or isinstance(value, list | dict | bool):
        return None
    return str(value)[:_LONGEST] or None
