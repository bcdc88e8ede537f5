"""Areas of classes over all, and within each region of an annotation file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.annotations import Feature, Place
from napari_construct.classes import ClassTable
from napari_construct.data.polygons import region_mask
from napari_construct.exceptions import InputError
from napari_construct.results.areas import (
    PERCENT_OF_LABELLED,
    PERCENT_OF_TISSUE,
    class_components,
    class_means,
    class_pixels,
)
from napari_construct.types import BoolMask, FloatArray, LabelImage

OVER_ALL: Final = "all"
"""Name of the rows that measure the whole mask."""


def region_table(
    labels: LabelImage,
    classes: ClassTable,
    regions: Iterable[Feature] = (),
    *,
    mpp: float | tuple[float, float] | None = None,
    tissue: BoolMask | None = None,
    confidence: FloatArray | None = None,
    instances: NDArray[np.int32] | None = None,
    downsample: float = 1.0,
    offset: Place = (0, 0),
) -> dict[str, NDArray[Any]]:
    """One row for each class over all, then one for each class in each region.

    Parameters
    ----------
    labels : ndarray
        (h, w) uint8; label ``i + 1`` is class ``i``.
    classes : ClassTable
        Their names.
    regions : iterable of Feature
        In pixels of the image. A pixel belongs to a region if its centre does; regions may overlap.
    mpp : float or (float, float), optional
        Micrometres per pixel of the labels, (rows, columns) where they differ; without, there is no ``mm2``.
    tissue : ndarray, optional
        (h, w) bool. Without, shares are ``percent_of_labelled`` instead of ``percent_of_tissue``.
    confidence : ndarray, optional
        (h, w) in [0, 1]; its mean is a column, NaN where a class has no pixel.
    instances : ndarray, optional
        (h, w) int32, numbers of cells; ``components`` then counts those that lie in the region with a pixel.
    downsample, offset
        Pixels of the image in a pixel of the labels; row and column of the image where the labels begin.

    Returns
    -------
    dict of str to ndarray
        Columns for :func:`~napari_construct.export.tables.write_table`: ``region`` (its name, its class and
        number, or "all"), ``class``, ``pixels``, ``mm2``, the share in percent, ``components`` (parts whose
        pixels touch, also at corners), ``mean_confidence``.

    Raises
    ------
    InputError
        If the maps are not of one size.
    """
    for name, other in (("tissue", tissue), ("confidence", confidence), ("instances", instances)):
        if other is not None and other.shape != labels.shape:
            raise InputError(
                f"expected {name} of shape {labels.shape}, got {other.shape}; give both of one image"
            )
    maps = (labels, tissue, confidence, instances)
    rows = _rows(OVER_ALL, maps, classes, mpp)
    for number, region in enumerate(regions, start=1):
        window = _window(region, labels.shape, downsample, offset)
        start = tuple(edge + part.start * downsample for edge, part in zip(offset, window, strict=True))
        cut = tuple(None if one is None else one[window] for one in maps)
        inside = region_mask(region.geometry, cut[0].shape, downsample=downsample, offset=start)  # type: ignore[union-attr]
        name = region.name or f"{region.class_name or 'region'} {number}"
        rows += _rows(name, cut, classes, mpp, inside)
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def _rows(
    region: str,
    maps: Sequence[Any],
    classes: ClassTable,
    mpp: float | tuple[float, float] | None,
    inside: BoolMask | None = None,
) -> list[dict[str, Any]]:
    labels, tissue, confidence, instances = maps
    if inside is not None:
        labels = np.where(inside, labels, 0)
        tissue = None if tissue is None else tissue & inside
        instances = None if instances is None else instances[inside]
    k = len(classes)
    pixels = class_pixels(labels, k)
    labelled = int(pixels.sum())
    share = PERCENT_OF_LABELLED if tissue is None else PERCENT_OF_TISSUE
    whole = max(0 if tissue is None else int(np.count_nonzero(tissue)), labelled, 1)
    columns: dict[str, Any] = {"region": [region] * k, "class": classes.names, "pixels": pixels.tolist()}
    if mpp is not None:
        square = float(np.prod(np.broadcast_to(mpp, 2)))
        columns["mm2"] = (pixels * (square * 1e-6)).tolist()
    columns[share] = (100.0 * pixels / whole).tolist()
    if instances is not None:
        columns["components"] = [int(np.count_nonzero(np.unique(instances)))] * k
    else:
        columns["components"] = class_components(labels, k).tolist() if labels.size else [0] * k
    if confidence is not None:
        columns["mean_confidence"] = class_means(class_pixels(labels, k, confidence), pixels).tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _window(region: Feature, shape: tuple[int, ...], downsample: float, offset: Place) -> tuple[slice, slice]:
    """Rows and columns that hold all of a region."""
    left, top, right, bottom = region.geometry.bounds
    edges = (
        (top - offset[0], bottom - offset[0], shape[0]),
        (left - offset[1], right - offset[1], shape[1]),
    )
    rows, columns = (
        slice(
            int(np.clip(np.floor(low / downsample), 0, length)),
            int(np.clip(np.ceil(high / downsample), 0, length)),
        )
        for low, high, length in edges
    )
    return rows, columns
