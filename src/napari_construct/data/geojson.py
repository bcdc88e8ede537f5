"""GeoJSON as QuPath and others write it, read object by object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon
from shapely.errors import GEOSException

from napari_construct.annotations import Feature, Place, polygons_of, repaired
from napari_construct.data.geojson_objects import RawObject, Skipped, objects_of
from napari_construct.exceptions import InputError
from napari_construct.reading.packed import packed_text
from napari_construct.reading.texts.json_items import json_items
from napari_construct.reading.texts.text import at
from napari_construct.reading.texts.values import UnusableError
from napari_construct.types import PathLike

LARGEST: Final = 8 * 2**30
"""Bytes of a file, unpacked; it is never held."""

_WHAT: Final = "a GeoJSON file"
_AT_ONCE: Final = 64  # polygons are made faster together; more no longer fit the processor's cache
_MOST_POINTS: Final = 2**16
_NO_POLYGON: Final = (ValueError, TypeError, GEOSException)
_CORNERS: Final = 128


def read_geojson(path: PathLike, *, origin: Place = (0, 0)) -> Features:
    """The polygons of a GeoJSON file, one after another; the file is never held as a whole.

    Parameters
    ----------
    path : str or path
        ``.geojson``, ``.geojson.gz`` or ``.zip`` with one such file: a FeatureCollection, a list of Features,
        one Feature or one geometry.
    origin : (row, column)
        Row and column of the image that the file calls (0, 0); not (0, 0) where the image is larger than what
        QuPath shows, or a part of it.

    Returns
    -------
    Features
        An iterator of :class:`~napari_construct.annotations.Feature`. Its ``notices`` say, at the end, what
        was left out. Coordinates are those of the whole image.

    Raises
    ------
    InputError
        While it is read: if there is no such file, it is damaged, or no GeoJSON.
    """
    return Features(path, origin)


class Features(Iterator[Feature]):
    """Objects of a file as they are read; every geometry is a valid Polygon or MultiPolygon.

    Polygons within a GeometryCollection are taken out of it, QuPath's ellipses are outlined, outlines that
    cross themselves are repaired. Objects without an area (points, lines) are left out.
    """

    def __init__(self, path: PathLike, origin: Place) -> None:
        self._path, self._shift = path, (float(origin[1]), float(origin[0]))
        self._left_out: Counter[str] = Counter()
        self._repaired = 0
        self._found = self._read()

    def __next__(self) -> Feature:
        return next(self._found)

    def close(self) -> None:
        """Close the file before its end."""
        self._found.close()

    @property
    def notices(self) -> tuple[str, ...]:
        """A sentence each on what was left out and what was repaired so far."""
        sentences = []
        if self._left_out:
            kinds = ", ".join(f"{count} x {kind}" for kind, count in self._left_out.most_common(6))
            sentences.append(f"{at(self._path)}: only polygons are used; left out: {kinds}")
        if self._repaired:
            sentences.append(
                f"{at(self._path)}: {self._repaired} outline(s) crossed themselves and were repaired"
            )
        return tuple(sentences)

    def _read(self) -> Generator[Feature, None, None]:
        pieces = packed_text(self._path, _WHAT, endings=(".geojson", ".json"), largest=LARGEST)
        with closing(pieces):
            raw = self._polygons_in(json_items(pieces, "features"))
            while True:
                try:
                    batch = _batch(raw)
                except UnusableError as error:
                    raise InputError(
                        f"{at(self._path)}: expected {_WHAT}, got {error}; export it again"
                    ) from error
                if not batch:
                    return
                for one, valid in zip(batch, self._valid(self._geometries(batch)), strict=True):
                    if valid is not None:
                        yield Feature(geometry=valid, **one.fields)

    def _polygons_in(self, items: Iterator[Any]) -> Iterator[RawObject]:
        for item in items:
            for found in objects_of(item):
                if isinstance(found, Skipped):
                    self._left_out[found.reason] += 1
                else:
                    yield found

    def _geometries(self, batch: list[RawObject]) -> list[Any]:
        """Geometries of objects, None where a ring has too few points or no numbers."""
        try:
            polygons = polygons_of([one for raw in batch for one in raw.outlines], shift=self._shift)
        except _NO_POLYGON:
            if len(batch) == 1:
                self._left_out["object with damaged coordinates"] += 1
                return [None]
            return [self._geometries([raw])[0] for raw in batch]
        ends = np.cumsum([len(raw.outlines) for raw in batch])
        parts = np.split(polygons, ends[:-1])
        return [_joined(part, raw.ellipse) for part, raw in zip(parts, batch, strict=True)]

    def _valid(self, geometries: list[Any]) -> list[Any]:
        """The same geometries where they are valid, repaired ones and None otherwise."""
        broken = ~shapely.is_valid(np.array(geometries, dtype=object))
        for place in np.flatnonzero(broken).tolist():
            if geometries[place] is not None:
                geometries[place] = self._repaired_one(geometries[place])
        return geometries

    def _repaired_one(self, geometry: Any) -> Any:
        found = repaired(geometry)
        if found is None:
            self._left_out["outline without an area"] += 1
        else:
            self._repaired += 1
        return found


def _batch(raw: Iterator[RawObject]) -> list[RawObject]:
    """The next objects, fewer where they are large; empty at the end."""
    batch, points = [], 0
    for one in raw:
        batch.append(one)
        rings = (ring for outline in one.outlines if isinstance(outline, list) for ring in outline)
        points += sum(len(ring) for ring in rings if isinstance(ring, list))
        if len(batch) == _AT_ONCE or points > _MOST_POINTS:
            break
    return batch


def _joined(parts: NDArray[np.object_], ellipse: bool) -> Polygon | MultiPolygon:
    geometry = parts[0] if len(parts) == 1 else MultiPolygon(parts.tolist())
    return _ellipse_in(geometry.bounds) if ellipse else geometry


def _ellipse_in(bounds: tuple[float, float, float, float]) -> Polygon:
    """The ellipse that fills a box (left, top, right, bottom)."""
    left, top, right, bottom = bounds
    angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    x = (left + right + (right - left) * np.cos(angle)) / 2
    y = (top + bottom + (bottom - top) * np.sin(angle)) / 2
    return Polygon(np.stack((x, y), axis=1))
