"""Polygons as masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from napari_construct.annotations import Feature, Place
from napari_construct.exceptions import InputError
from napari_construct.reading.foreign import harmless
from napari_construct.types import BoolMask

_AT_ONCE: Final = 4096


def draw_polygons(
    features: Iterable[Feature],
    shape: tuple[int, int],
    *,
    values: Mapping[str, int] | None = None,
    downsample: float = 1.0,
    offset: Place = (0, 0),
) -> NDArray[Any]:
    """Draw features into a mask: a pixel belongs to the last one that its centre lies in.

    Parameters
    ----------
    features : iterable of Feature
        Drawn in their order.
    shape : (int, int)
        Rows and columns of the mask.
    values : mapping of str to int, optional
        Value of each class, 1 to 255. Without, features are numbered from 1 on.
    downsample, offset
        Pixels of the image in a pixel of the mask; row and column of the image where the mask begins.

    Returns
    -------
    ndarray
        ``shape``; uint8 where ``values`` are given, int32 of numbers. 0 is outside of all features.

    Raises
    ------
    InputError
        If a feature has no class, or one without a value; or values are not from 1 to 255.
    """
    if values is not None and not all(0 < value < 256 for value in values.values()):
        raise InputError(f"expected values from 1 to 255, got {dict(values)}; 0 is the background")
    drawn = np.zeros(shape, np.int32 if values is None else np.uint8)
    for geometries, numbers in _batches(features, values):
        _draw(drawn, geometries, numbers, downsample, offset)
    return drawn


def region_mask(
    geometry: Any, shape: tuple[int, int], *, downsample: float = 1.0, offset: Place = (0, 0)
) -> BoolMask:
    """(h, w) bool: pixels whose centre lies in a geometry; parameters as of :func:`draw_polygons`."""
    drawn = np.zeros(shape, np.uint8)
    _draw(drawn, np.array([geometry], dtype=object), [1], downsample, offset)
    found: BoolMask = drawn.astype(bool)
    return found


def _batches(
    features: Iterable[Feature], values: Mapping[str, int] | None
) -> Iterator[tuple[NDArray[np.object_], list[int]]]:
    waiting, first = iter(features), 1
    while batch := list(islice(waiting, _AT_ONCE)):
        if values is None:
            numbers = list(range(first, first + len(batch)))
        else:
            numbers = [_value_of(feature, values) for feature in batch]
        first += len(batch)
        yield np.array([feature.geometry for feature in batch], dtype=object), numbers


def _value_of(feature: Feature, values: Mapping[str, int]) -> int:
    name = feature.class_name
    if name is None or name not in values:
        known = ", ".join(map(harmless, list(values)[:10]))
        raise InputError(
            f"expected polygons of the classes {known}, got one "
            f"{'without class' if name is None else f'of {harmless(name)}'}; rename the class, or leave such "
            "polygons out"
        )
    return values[name]


def _draw(
    drawn: NDArray[Any],
    geometries: NDArray[np.object_],
    numbers: list[int],
    downsample: float,
    offset: Place,
) -> None:
    from rasterio.features import rasterize

    if downsample != 1 or tuple(offset) != (0, 0):
        shift = np.array([offset[1], offset[0]], dtype=np.float64)
        geometries = shapely.transform(geometries, lambda points: (points - shift) / downsample)
    left, top, right, bottom = shapely.bounds(geometries).T
    inside = (right > 0) & (bottom > 0) & (left < drawn.shape[1]) & (top < drawn.shape[0])
    pairs = [(one, number) for one, number, seen in zip(geometries, numbers, inside, strict=True) if seen]
    if pairs and drawn.size:
        rasterize(pairs, out=drawn)
