"""Outlined objects of an image: polygons with a class, as annotation programs keep them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

Place: TypeAlias = tuple[int, int] | tuple[float, float]
"""Row and column in pixels of the whole image."""

IGNORED: Final = "ignore*"
"""QuPath's class, in any case, of what counts nowhere."""

OBJECTS: Final = frozenset({"detection", "cell", "tile"})
"""Types of objects that QuPath measures in regions, and takes for none."""

GRID: Final = 0.01
"""Pixels: the steps in which coordinates are written, as QuPath rounds them too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One object with its outline.

    Attributes
    ----------
    geometry : shapely Polygon or MultiPolygon
        In pixels of the whole image (level 0 of a slide): x to the right, y down, (0, 0) is the upper left
        corner of the first pixel, whose lower right corner is (1, 1).
    object_type : str
        In QuPath's words: "annotation", "detection", "cell", "tile", "tmaCore".
    class_name : str or None
        None without a class.
    colour : str or None
        ``#RRGGBB`` of the class.
    name : str or None
        Of this object.
    id : str or None
        A UUID where the file has one.
    locked : bool
        Whether QuPath protects it from being moved.
    measurements : mapping of str to float
        Numbers by name; NaN is allowed.
    """

    geometry: Polygon | MultiPolygon
    object_type: str = "annotation"
    class_name: str | None = None
    colour: str | None = None
    name: str | None = None
    id: str | None = None
    locked: bool = False
    measurements: Mapping[str, float] = field(default_factory=dict)


def is_ignored(class_name: str | None) -> bool:
    """Whether a class is one of QuPath's ``Ignore*``, which counts nowhere."""
    return class_name is not None and class_name.partition(":")[0].strip().lower() == IGNORED


def region_name(feature: Feature, number: int) -> str:
    """What a region is called in tables: its name, or its class and number."""
    return feature.name or f"{feature.class_name or 'region'} {number}"


def polygons_of(
    outlines: Iterable[Any], scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)
) -> NDArray[np.object_]:
    """Polygons of nested lists, many at once.

    Parameters
    ----------
    outlines : iterable
        For each polygon its rings, the outer one first; a ring is a sequence of (x, y). What else stands in
        a point (z) is ignored where all points have it.
    scale, shift
        x becomes ``x * scale + shift[0]``, y likewise.

    Returns
    -------
    ndarray
        (n,) of shapely Polygon.

    Raises
    ------
    ValueError, TypeError, shapely.errors.GEOSException
        If these are no rings of at least three finite points.
    """
    polygons = list(outlines)
    rings = list(chain.from_iterable(polygons))
    points = np.array(list(chain.from_iterable(rings)))
    if points.ndim != 2 or points.dtype.kind not in "fiu" or not np.isfinite(points).all():
        raise ValueError("expected rings of points with two finite numbers each")
    ends = np.cumsum([0, *map(len, rings)]), np.cumsum([0, *map(len, polygons)])
    found: NDArray[np.object_] = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, points[:, :2] * scale + np.asarray(shift, dtype=np.float64), ends
    )
    return found


def only_polygons(geometry: Any) -> Polygon | MultiPolygon | None:
    """The part of a geometry that has an area; None where there is none."""
    parts = [part for part in _parts(geometry) if isinstance(part, Polygon) and not part.is_empty]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def repaired(geometry: Polygon | MultiPolygon) -> Polygon | MultiPolygon | None:
    """A valid polygon of the same area where outlines cross themselves; None if no area is left."""
    return only_polygons(shapely.make_valid(geometry, method="structure", keep_collapsed=False))


def _parts(geometry: Any) -> Iterable[Any]:
    """All simple geometries in collections of collections."""
    parts = shapely.get_parts(geometry)
    if any(hasattr(part, "geoms") for part in parts):
        return chain.from_iterable(map(_parts, parts))
    return list(parts)
