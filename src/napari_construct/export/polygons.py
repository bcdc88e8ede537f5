"""Masks as polygons along the borders of their pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from napari_construct.annotations import Feature, Place, polygons_of
from napari_construct.classes import ClassTable
from napari_construct.exceptions import InputError

STRIP: Final = 64 * 2**20
"""Pixels that are outlined at once."""

_AT_ONCE: Final = 256
_LARGEST: Final = 2**31 - 1


def mask_polygons(
    labels: Any, *, simplify: float = 0.0, min_area: float = 0.0, strip: int = STRIP
) -> Iterator[tuple[int, Polygon | MultiPolygon]]:
    """The outlines of each connected part of each value, with holes; pixels at a corner are not connected.

    ``rasterio.features.shapes(connectivity=4)`` (GDAL's polygonize): every polygon is valid, and no pixel is
    lost or counted twice. Large masks are outlined strip by strip; parts that go on in the next strip wait
    for it.

    Parameters
    ----------
    labels : array-like
        (h, w) of bool or integers from 0 to 2147483647; anything that gives rows when sliced (a zarr array).
        0 is left out.
    simplify : float
        Pixels: how far outlines may be smoothed, the square root of the area of the corners that are cut
        off (Visvalingam and Whyatt 1993); borders shared by two classes stay shared
        (``shapely.coverage_simplify``). 0 keeps every pixel. With it, all polygons are held at once.
    min_area : float
        Parts of fewer pixels are left out; holes stay as they are.
    strip : int
        Pixels that are outlined at once.

    Yields
    ------
    value : int
        Of the labels.
    polygon : shapely Polygon
        x to the right, y down, in pixels of the mask; integer coordinates unless simplified. Simplified, a
        part may be a MultiPolygon.

    Raises
    ------
    InputError
        If the labels are not two-dimensional integers of this range, or ``simplify`` or ``min_area`` is
        negative.
    """
    if len(labels.shape) != 2 or np.dtype(labels.dtype).kind not in "bui":
        raise InputError(
            f"expected labels of two axes and whole numbers, got {labels.dtype} {tuple(labels.shape)}; give "
            "one plane of a mask"
        )
    if not simplify >= 0:
        raise InputError(f"expected simplify from 0 pixels on, got {simplify}; 0 keeps every pixel")
    if not min_area >= 0:
        raise InputError(f"expected a least area from 0 pixels on, got {min_area}; 0 keeps every part")
    found = _outlines(labels, max(1, strip // max(labels.shape[1], 1)))
    if min_area > 0:
        found = (one for one in found if one[1].area >= min_area)
    if simplify == 0:
        yield from found
        return
    parts = list(found)
    polygons = shapely.coverage_simplify(np.array([part for _, part in parts], dtype=object), simplify)
    yield from zip([value for value, _ in parts], polygons.tolist(), strict=True)


def class_features(
    labels: Any,
    classes: ClassTable,
    *,
    simplify: float = 0.0,
    min_area: float = 0.0,
    merge: bool = False,
    downsample: float = 1.0,
    offset: Place = (0, 0),
) -> Iterator[Feature]:
    """The parts of each class as annotations.

    Parameters
    ----------
    labels, simplify, min_area
        As of :func:`mask_polygons`; ``i + 1`` is class ``i``, other values are left out.
    classes : ClassTable
        Names and colours.
    merge : bool
        One MultiPolygon for each class instead of a Polygon for each part.
    downsample : float
        Pixels of the image in a pixel of the labels.
    offset : (row, column)
        Row and column of the image where the labels begin.
    """
    parts_of = mask_polygons(labels, simplify=simplify, min_area=min_area)
    found = (one for one in parts_of if one[0] <= len(classes))
    if merge:
        parts: dict[int, list[Any]] = {}
        for value, polygon in found:
            parts.setdefault(value, []).extend(shapely.get_parts(polygon))
        found = ((value, MultiPolygon(parts[value])) for value in sorted(parts))
    for value, polygon in _placed(found, downsample, offset):
        tissue = classes[value - 1]
        yield Feature(geometry=polygon, class_name=tissue.name, colour=tissue.colour)


def cell_features(
    numbers: Any,
    *,
    class_name: str | None = None,
    colour: str | None = None,
    measurements: Mapping[int, Mapping[str, float]] | None = None,
    min_area: float = 0.0,
    downsample: float = 1.0,
    offset: Place = (0, 0),
) -> Iterator[Feature]:
    """Numbered cells as detections; a cell in several parts is one MultiPolygon.

    Parameters
    ----------
    numbers : array-like
        (h, w); 0 is background.
    class_name, colour : str, optional
        Of all of them.
    measurements : mapping of int to mapping, optional
        Of each number.
    min_area : float
        Cells of fewer pixels are left out.
    downsample, offset
        As of :func:`class_features`.
    """
    parts: dict[int, list[Any]] = {}
    for number, polygon in mask_polygons(numbers):
        parts.setdefault(number, []).append(polygon)
    whole = ((number, of[0] if len(of) == 1 else MultiPolygon(of)) for number, of in sorted(parts.items()))
    if min_area > 0:
        whole = ((number, geometry) for number, geometry in whole if geometry.area >= min_area)
    known = measurements or {}
    for number, geometry in _placed(whole, downsample, offset):
        yield Feature(
            geometry=geometry,
            object_type="detection",
            class_name=class_name,
            colour=colour,
            name=str(number),
            measurements=known.get(number, {}),
        )


def _outlines(labels: Any, rows: int) -> Iterator[tuple[int, Polygon]]:
    """Strip by strip; what touches the next strip is joined to what it meets there."""
    height = labels.shape[0]
    open_parts: dict[int, list[Polygon]] = {}
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        going_on: dict[int, list[Polygon]] = {}
        for value, polygon in _strip_outlines(np.asarray(labels[top:bottom]), top):
            _, upper, _, lower = polygon.bounds
            if upper == top and value in open_parts:
                open_parts[value].append(polygon)
            elif lower == bottom and bottom < height:
                going_on.setdefault(value, []).append(polygon)
            else:
                yield value, polygon
        for value, waiting in open_parts.items():
            for part in _joined(waiting):
                if part.bounds[3] == bottom and bottom < height:
                    going_on.setdefault(value, []).append(part)
                else:
                    yield value, part
        open_parts = going_on


def _joined(parts: list[Polygon]) -> list[Polygon]:
    """Parts that share a border as one; the points that only the cut made are taken away again."""
    if len(parts) == 1:
        return parts
    whole = shapely.simplify(shapely.union_all(parts), 0)
    return list(shapely.get_parts(whole))


def _strip_outlines(labels: NDArray[Any], top: int) -> Iterator[tuple[int, Polygon]]:
    from rasterio.features import shapes

    inside = labels != 0
    if not inside.any():
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > _LARGEST:
        raise InputError(f"expected labels from 0 to {_LARGEST}, got {low} to {high}; number them anew")
    values = labels.astype(np.uint8 if high < 256 else np.int32, copy=False)
    found = shapes(values, mask=inside, connectivity=4)
    while batch := list(islice(found, _AT_ONCE)):
        polygons = polygons_of([shape["coordinates"] for shape, _ in batch], shift=(0.0, float(top)))
        yield from zip([int(value) for _, value in batch], polygons, strict=True)


def _placed(found: Iterable[tuple[int, Any]], downsample: float, offset: Place) -> Iterator[tuple[int, Any]]:
    if downsample == 1 and tuple(offset) == (0, 0):
        yield from found
        return
    shift = np.array([offset[1], offset[0]], dtype=np.float64)
    waiting = iter(found)
    while batch := list(islice(waiting, _AT_ONCE)):
        polygons = np.array([polygon for _, polygon in batch], dtype=object)
        moved = shapely.transform(polygons, lambda points: points * downsample + shift)
        yield from zip([value for value, _ in batch], moved, strict=True)
