"""Annotations of an image as regions: where pixels count, and to which of the regions each belongs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, STRtree

from napari_construct.annotations import OBJECTS, Feature, Place, is_ignored, only_polygons, region_name
from napari_construct.data.geojson import read_geojson
from napari_construct.data.polygons import region_mask
from napari_construct.exceptions import InputError
from napari_construct.types import BoolMask, PathLike

MOST: Final = 20_000
"""Regions; a file with more of them holds objects."""

_MANY_POINTS: Final = 500
"""Outlines of more points are cut to the window before they are drawn."""


class Window(NamedTuple):
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class RegionSet:
    """Regions on a grid of pixels; a pixel belongs to those that its centre lies in.

    Attributes
    ----------
    names : tuple of str
        Of the regions, each once.
    geometries : ndarray
        (n,) of shapely polygons in pixels of the grid: x to the right, y down, without what is ignored.
    ignored : shapely polygon or None
        What counts nowhere.
    notices : tuple of str
        What was left out.
    """

    names: tuple[str, ...]
    geometries: NDArray[np.object_]
    ignored: Any
    notices: tuple[str, ...]
    _tree: STRtree

    @classmethod
    def of(
        cls,
        regions: PathLike | Iterable[Feature],
        *,
        origin: Place = (0, 0),
        step: tuple[float, float] = (1.0, 1.0),
        offset: Place = (0, 0),
    ) -> RegionSet:
        """Regions of a GeoJSON file, or of features.

        Annotations are regions, also when they overlap; cells, detections and tiles are none. What lies in
        annotations of the class ``Ignore*`` counts nowhere.

        Parameters
        ----------
        regions : path or iterable of Feature
            A file of QuPath, for example; or features in pixels of the image.
        origin : (row, column)
            Of the image, which a file calls (0, 0).
        step : (float, float)
            Pixels of the image along the height and the width of a pixel of the grid.
        offset : (row, column)
            Of the image, where the grid begins.

        Raises
        ------
        InputError
            If the file cannot be read, or holds more than :data:`MOST` regions.
        """
        found = _features(regions, origin)
        names: list[str] = []
        shapes: list[Any] = []
        ignored: list[Any] = []
        objects, seen = 0, set[str]()
        for feature in found:
            if feature.object_type in OBJECTS:
                objects += 1
            elif is_ignored(feature.class_name):
                ignored.append(feature.geometry)
            else:
                names.append(_unlike(region_name(feature, len(names) + 1), seen))
                shapes.append(feature.geometry)
            if len(names) + len(ignored) > MOST:
                raise InputError(
                    f"expected at most {MOST:,} annotations as regions, got more; export the regions alone"
                )
        notices = list(getattr(found, "notices", ()))
        if objects:
            notices.append(f"{objects} object(s) that are cells, detections or tiles are no regions")
        nowhere = shapely.union_all(ignored) if ignored else None
        geometries = np.array(shapes, dtype=object)
        if nowhere is not None and shapes:
            cut = shapely.difference(geometries, nowhere)
            geometries = np.array([only_polygons(one) or MultiPolygon() for one in cut], dtype=object)
        geometries, nowhere = (_on_grid(one, step, offset) for one in (geometries, nowhere))
        return cls(tuple(names), geometries, nowhere, tuple(notices), STRtree(geometries))

    def __len__(self) -> int:
        return len(self.names)

    def check(self, shape: tuple[int, int], name: str) -> None:
        """Refuse regions of which none lies on an image.

        Raises
        ------
        InputError
            If no pixel of ``shape`` counts.
        """
        if not self.names and self.ignored is None:
            raise InputError(
                f"{name}: expected annotations as regions, got none with an area; export them as GeoJSON"
            )
        if self.names and not len(self._tree.query(_box(Window(0, 0, *shape)), predicate="intersects")):
            raise InputError(
                f"{name}: expected regions on the image, got none that touches it; check that they are of "
                "this image, and in pixels of its finest level"
            )

    def digest(self) -> str:
        """SHA-256 of names and outlines."""
        parts = [name.encode("utf-8", "replace") + b"\0" for name in self.names]
        parts += [shapely.to_wkb(one) for one in (*self.geometries, self.ignored) if one is not None]
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def masks(self, window: Window) -> Iterator[tuple[int, BoolMask]]:
        """Number from 0 on, and pixels (height, width) bool, of each region with a pixel in a window."""
        for number in sorted(self._tree.query(_box(window), predicate="intersects").tolist()):
            inside = _drawn(self.geometries[number], window)
            if inside.any():
                yield number, inside

    def mask(self, window: Window) -> BoolMask:
        """(height, width) bool: what counts, which is all but the ignored where there are no regions."""
        if self.names:
            inside = np.zeros((window.height, window.width), np.bool_)
            for _, one in self.masks(window):
                inside |= one
            return inside
        return self.counted(window)

    def counted(self, window: Window) -> BoolMask:
        """(height, width) bool: what is not ignored."""
        if self.ignored is None:
            return np.ones((window.height, window.width), np.bool_)
        return ~_drawn(self.ignored, window)

    def cells(self, shape: tuple[int, int], stride: int) -> BoolMask:
        """:meth:`mask` of a grid of ``shape`` cells of ``stride`` pixels: those whose centre counts."""
        step = (float(stride), float(stride))
        small, nowhere = (_on_grid(one, step, (0, 0)) for one in (self.geometries, self.ignored))
        return RegionSet(self.names, small, nowhere, (), STRtree(small)).mask(Window(0, 0, *shape))

    def window(self, number: int, shape: tuple[int, int]) -> Window:
        """The pixels of an image of ``shape`` that hold all of a region."""
        if shapely.is_empty(self.geometries[number]):
            return Window(0, 0, 0, 0)
        left, top, right, bottom = shapely.bounds(self.geometries[number])
        (first, last), (start, end) = (
            (int(np.clip(np.floor(low), 0, size)), int(np.clip(np.ceil(high), 0, size)))
            for low, high, size in ((top, bottom, shape[0]), (left, right, shape[1]))
        )
        return Window(first, start, last - first, end - start)

    def drawn(self, number: int, window: Window) -> BoolMask:
        """(height, width) bool of one region."""
        return _drawn(self.geometries[number], window)


def _features(regions: PathLike | Iterable[Feature], origin: Place) -> Iterable[Feature]:
    if isinstance(regions, str | os.PathLike):
        return read_geojson(regions, origin=origin)
    return regions


def _on_grid(geometry: Any, step: tuple[float, float], offset: Place) -> Any:
    """Geometries in pixels of a grid."""
    if geometry is None or (step == (1.0, 1.0) and tuple(offset) == (0, 0)):
        return geometry
    scale, shift = np.array([step[1], step[0]]), np.array([offset[1], offset[0]], dtype=np.float64)
    return shapely.transform(geometry, lambda points: (points - shift) / scale)


def _drawn(geometry: Any, window: Window) -> BoolMask:
    if shapely.get_num_coordinates(geometry) > _MANY_POINTS:
        geometry = shapely.clip_by_rect(
            geometry,
            window.left - 1,
            window.top - 1,
            window.left + window.width + 1,
            window.top + window.height + 1,
        )
    shape, corner = (window.height, window.width), (window.top, window.left)
    if shapely.is_empty(geometry) or 0 in shape:
        return np.zeros(shape, np.bool_)
    return region_mask(geometry, shape, offset=corner)


def _box(window: Window) -> Any:
    return shapely.box(window.left, window.top, window.left + window.width, window.top + window.height)


def _unlike(name: str, seen: set[str]) -> str:
    """A name that no region has yet."""
    found, number = name, 2
    while found in seen:
        found, number = f"{name} ({number})", number + 1
    seen.add(found)
    return found
