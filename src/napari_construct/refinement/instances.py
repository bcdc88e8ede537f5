"""Cells one by one, from a foreground and a boundary probability."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from napari_construct.exceptions import InputError
from napari_construct.types import BoolMask, FloatArray

Labels = npt.NDArray[np.int32]


def instances(
    foreground: npt.NDArray[Any],
    boundary: npt.NDArray[Any] | None = None,
    *,
    threshold: float = 0.5,
    seed_threshold: float = 0.5,
    split_tolerance: float = 1.0,
    min_area: int = 20,
) -> Labels:
    """Split a foreground into cells: seeded watershed.

    1. Pixels with ``foreground >= threshold`` are divided among cells; no other pixel becomes part of one.
    2. Seeds are the connected parts (4 neighbours) with ``foreground - boundary > seed_threshold``. Parts
       smaller than a quarter of ``min_area`` are noise and dropped. Where a connected part of the foreground
       has no seed left, its pixel of the highest difference is the seed.
    3. A seed with a waist becomes several: one for each maximum of the distance to its border that stands
       out by ``split_tolerance`` (h-maxima, Soille 2003; scikit-image), after smoothing by one pixel.
    4. Watershed of ``boundary - foreground`` floods from the seeds: fronts meet on the ridge between two
       cells (Meyer 1994; scikit-image).
    5. Cells smaller than ``min_area`` are dropped; numbers run without gaps, in the order of each cell's
       first pixel row by row. The result depends on the arguments only.

    Foreground, boundary and watershed are the recipe of many entries to the Data Science Bowl 2018
    (Caicedo et al. 2019); the rules for seeds are ours.

    Parameters
    ----------
    foreground : ndarray
        (h, w) probability that a pixel belongs to a cell, in [0, 1].
    boundary : ndarray, optional
        (h, w) probability that it lies on the border of a cell; without it touching cells stay one, unless
        the foreground itself falls between them.
    threshold : float
        Of the foreground.
    seed_threshold : float
        Of the difference; higher values split more and lose faint cells' seeds.
    split_tolerance : float
        Pixels by which a waist must be narrower, in half its width, than what it joins; higher values split
        less, and a value above half the width of every cell splits nothing.
    min_area : int
        Pixels of the smallest cell.

    Returns
    -------
    ndarray
        (h, w) int32: 0 is background.

    Raises
    ------
    InputError
        If the shapes differ or are not (h, w).
    """
    if foreground.ndim != 2 or (boundary is not None and boundary.shape != foreground.shape):
        other = None if boundary is None else boundary.shape
        raise InputError(
            f"expected foreground and boundary of one shape (h, w), got {foreground.shape} and {other}; "
            "give the maps of one image"
        )
    inside: BoolMask = foreground >= threshold
    difference = foreground.astype(np.float32)
    if boundary is not None:
        difference = difference - boundary.astype(np.float32)
    core = inside & (difference > seed_threshold)
    seeds = _with_lonely(_seeds(core, split_tolerance, max(1, min_area // 4)), inside, difference)
    return without_small(_flooded(inside, difference, seeds), min_area)


def _seeds(core: BoolMask, tolerance: float, min_area: int) -> Labels:
    """Connected parts of the core; of those with a waist, the places where they are widest."""
    parts, count = ndimage.label(core)
    large = np.bincount(parts.ravel(), minlength=count + 1) >= min_area
    large[0] = False
    whole = np.where(large[parts], parts, 0).astype(np.int32)
    depth = np.where(whole > 0, ndimage.gaussian_filter(ndimage.distance_transform_edt(whole), 1.0), 0)
    if depth.max(initial=0) <= tolerance:
        return whole
    # not h_maxima, which gives both of two equal maxima however little lies between them
    lowered = reconstruction(depth - tolerance, depth)  # type: ignore[no-untyped-call]
    widest = local_maxima(lowered) & (whole > 0)  # type: ignore[no-untyped-call]
    peaks, n_peaks = ndimage.label(widest, structure=np.ones((3, 3)))
    owners = ndimage.maximum(whole, peaks, np.arange(1, n_peaks + 1)).astype(int)
    several = np.bincount(owners, minlength=count + 1) > 1
    return np.where(several[whole], np.where(peaks > 0, count + peaks, 0), whole).astype(np.int32)


def _with_lonely(seeds: Labels, inside: BoolMask, difference: FloatArray) -> Labels:
    """Parts of the foreground without a seed get one."""
    whole, count = ndimage.label(inside)
    lonely = np.ones(count + 1, dtype=bool)
    lonely[whole[seeds > 0]] = False
    missing = np.flatnonzero(lonely[1:]) + 1
    if missing.size:
        places = np.array(ndimage.maximum_position(difference, whole, missing), dtype=int).reshape(-1, 2)
        seeds[places[:, 0], places[:, 1]] = int(seeds.max(initial=0)) + 1 + np.arange(len(missing))
    return seeds


def _flooded(inside: BoolMask, difference: FloatArray, seeds: Labels) -> Labels:
    """Watershed from the rims of the seeds: their inner pixels are decided and would only cost time."""
    inner = (seeds > 0) & (
        ndimage.minimum_filter(seeds, footprint=ndimage.generate_binary_structure(2, 1)) > 0
    )
    rims = np.where(inner, 0, seeds)
    flooded = watershed(-difference, rims, mask=inside & ~inner)  # type: ignore[no-untyped-call]
    return np.where(inner, seeds, flooded).astype(np.int32)


def without_small(labels: npt.NDArray[Any], min_area: int) -> Labels:
    """(h, w) int32 without labels of fewer pixels, numbered anew in the order of their first pixels."""
    there, first, areas = np.unique(labels, return_index=True, return_counts=True)
    kept = (areas >= min_area) & (there > 0)
    numbers = np.zeros(int(there[-1]) + 1 if there.size else 1, np.int32)
    in_order = there[kept][np.argsort(first[kept], kind="stable")]
    numbers[in_order] = np.arange(1, len(in_order) + 1)
    found: Labels = numbers[labels]
    return found


def instance_table(
    labels: npt.NDArray[Any], confidence: npt.NDArray[Any], mpp: float | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Measurements of every cell, one array per column.

    Parameters
    ----------
    labels : ndarray
        (h, w) integers >= 0: 0 is background; gaps are fine.
    confidence : ndarray
        (h, w) foreground probability.
    mpp : float, optional
        Micrometres per pixel; without it there is no column of square micrometres.

    Returns
    -------
    dict of str to ndarray
        ``label`` int64 in rising order, ``area_px`` int64, ``area_um2`` float64, ``centroid_y`` and
        ``centroid_x`` float64 in pixels (the middle of the first pixel is 0), ``confidence`` float64: the
        mean over the cell. All (n,).

    Raises
    ------
    InputError
        If the shapes differ, a number is negative, or mpp is not above 0.
    """
    if labels.ndim != 2 or labels.shape != confidence.shape:
        raise InputError(
            f"expected labels and confidence of one shape (h, w), got {labels.shape} and {confidence.shape}; "
            "give both of one image"
        )
    if mpp is not None and not mpp > 0:
        raise InputError(f"expected micrometres per pixel above 0, got {mpp}; leave mpp out if it is unknown")
    rows, columns = np.nonzero(labels)
    values = labels[rows, columns]
    if values.size and int(values.min()) < 0:
        raise InputError(f"expected numbers of at least 0, got {int(values.min())}; 0 is background")
    there, place, area = np.unique(values, return_inverse=True, return_counts=True)
    place = place.reshape(-1)

    def mean(of: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        return np.bincount(place, weights=of, minlength=len(there)) / area

    table: dict[str, npt.NDArray[Any]] = {"label": there.astype(np.int64), "area_px": area.astype(np.int64)}
    if mpp is not None:
        table["area_um2"] = area * mpp**2
    table["centroid_y"], table["centroid_x"] = mean(rows), mean(columns)
    table["confidence"] = mean(confidence[rows, columns])
    return table


def stack_table(
    labels: npt.NDArray[Any], confidence: npt.NDArray[Any], mpp: float | None = None
) -> dict[str, npt.NDArray[Any]]:
    """:func:`instance_table` of the planes of a stack, one after the other.

    Parameters
    ----------
    labels, confidence : ndarray
        (planes, h, w).
    mpp : float, optional
        Micrometres per pixel.

    Returns
    -------
    dict of str to ndarray
        With ``plane`` int64 in front of the centroid, counted from 1.
    """
    tables = [instance_table(one, sure, mpp) for one, sure in zip(labels, confidence, strict=True)]
    planes = np.repeat(np.arange(1, len(tables) + 1), [len(table["label"]) for table in tables])
    joined: dict[str, npt.NDArray[Any]] = {}
    for name in tables[0]:
        if name == "centroid_y":
            joined["plane"] = planes
        joined[name] = np.concatenate([table[name] for table in tables])
    return joined
