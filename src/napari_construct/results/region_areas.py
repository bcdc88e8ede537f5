"""Areas of classes over all, and within each region of an annotation file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.annotations import Feature, Place
from napari_construct.classes import ClassTable
from napari_construct.data.region_set import RegionSet, Window
from napari_construct.exceptions import InputError
from napari_construct.results.areas import class_components, class_means, class_pixels
from napari_construct.results.measures.rows import OVER_ALL, area_rows, as_columns
from napari_construct.types import BoolMask, FloatArray, LabelImage, PathLike


def region_table(
    labels: LabelImage,
    classes: ClassTable,
    regions: PathLike | Iterable[Feature] | RegionSet = (),
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
    regions : path, iterable of Feature or RegionSet, optional
        In pixels of the image. A pixel belongs to a region if its centre does; regions may overlap. What lies
        in annotations of QuPath's class ``Ignore*`` counts nowhere. A RegionSet is in pixels of the labels.
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
        If the maps are not of one size, or a file of regions cannot be read.
    """
    for name, other in (("tissue", tissue), ("confidence", confidence), ("instances", instances)):
        if other is not None and other.shape != labels.shape:
            raise InputError(
                f"expected {name} of shape {labels.shape}, got {other.shape}; give both of one image"
            )
    found = regions
    if not isinstance(found, RegionSet):
        found = RegionSet.of(found, step=(downsample, downsample), offset=offset)
    square = None if mpp is None else float(np.prod(np.broadcast_to(mpp, 2)))
    counted = None if found.ignored is None else found.counted(Window(0, 0, *labels.shape))

    def rows(name: str, window: Window, inside: BoolMask | None) -> list[dict[str, Any]]:
        part = np.s_[window.top : window.top + window.height, window.left : window.left + window.width]
        maps = (None if one is None else one[part] for one in (labels, tissue, confidence, instances))
        return _rows(name, maps, classes, square, inside)

    table = rows(OVER_ALL, Window(0, 0, *labels.shape), counted)
    for number, name in enumerate(found.names):
        window = found.window(number, labels.shape)
        table += rows(name, window, found.drawn(number, window))
    return as_columns(table)


def _rows(
    region: str, maps: Iterable[Any], classes: ClassTable, square: float | None, inside: BoolMask | None
) -> list[dict[str, Any]]:
    labels, tissue, confidence, instances = maps
    if inside is not None:
        labels = np.where(inside, labels, 0)
        tissue = None if tissue is None else tissue & inside
        instances = None if instances is None else instances[inside]
    k = len(classes)
    pixels = class_pixels(labels, k)
    if instances is not None:
        components = [int(np.count_nonzero(np.unique(instances)))] * k
    else:
        components = class_components(labels, k).tolist() if labels.size else [0] * k
    return area_rows(
        region,
        classes,
        pixels,
        components,
        tissue=None if tissue is None else int(np.count_nonzero(tissue)),
        square=square,
        means=None if confidence is None else class_means(class_pixels(labels, k, confidence), pixels),
    )
