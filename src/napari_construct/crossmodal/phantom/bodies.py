"""Cells as pixels: competing ellipses with uneven borders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from napari_construct.types import FloatArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]


def paint(
    shape: tuple[int, int], middles: Floats, axes: Floats, angles: Floats, warp: tuple[FloatArray, FloatArray]
) -> tuple[Labels, FloatArray]:
    r"""Give every pixel to the ellipse that it lies deepest in.

    Ellipse i holds the pixels of normalised distance below 1,

    .. math:: d_i(x) = \sqrt{(u_i / a_i)^2 + (v_i / b_i)^2}

    with u and v along and across its direction. Where several hold a pixel, the smallest distance wins: a
    Voronoi diagram with an anisotropic metric for each cell. Places are displaced by a smooth field first,
    which makes the borders uneven.

    Parameters
    ----------
    shape : tuple of int
        Height and width.
    middles, axes : ndarray
        (n, 2) rows and columns, and semi-axes a and b, in pixels.
    angles : ndarray
        (n,) from the row axis, in radians.
    warp : tuple of ndarray
        (h, w) displacement of rows and columns in pixels.

    Returns
    -------
    labels : ndarray
        (h, w) int32, i + 1 for ellipse i, 0 for none.
    distance : ndarray
        (h, w) float32: the smallest distance, 1 outside of all.
    """
    labels, nearest = np.zeros(shape, np.int32), np.ones(shape, np.float32)
    rows = np.arange(shape[0], dtype=np.float32)[:, None] + warp[0]
    columns = np.arange(shape[1], dtype=np.float32)[None] + warp[1]
    reach = axes.max(1) + max(float(np.abs(part).max(initial=0)) for part in warp)
    low = np.maximum(np.floor(middles - reach[:, None]), 0).astype(int)
    high = np.minimum(np.ceil(middles + reach[:, None]) + 1, shape).astype(int)
    cos, sin = np.cos(angles), np.sin(angles)
    for i in np.flatnonzero((high > low).all(1)):
        window = slice(low[i, 0], high[i, 0]), slice(low[i, 1], high[i, 1])
        y, x = rows[window] - np.float32(middles[i, 0]), columns[window] - np.float32(middles[i, 1])
        u = np.float32(cos[i] / axes[i, 0]) * y + np.float32(sin[i] / axes[i, 0]) * x
        v = np.float32(-sin[i] / axes[i, 1]) * y + np.float32(cos[i] / axes[i, 1]) * x
        distance = np.sqrt(u * u + v * v)
        nearer = distance < nearest[window]
        labels[window][nearer] = i + 1
        nearest[window][nearer] = distance[nearer]
    return labels, nearest


def largest_parts(labels: Labels) -> Labels:
    """Only the largest 4-connected part of every label; the rest becomes 0."""
    parts, count = label(labels, connectivity=1, return_num=True)  # type: ignore[no-untyped-call]
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    owner = np.zeros(count + 1, np.int64)
    owner[parts.ravel()] = labels.ravel()
    order = np.lexsort((np.arange(count + 1), -sizes, owner))
    first = np.ones(count + 1, dtype=bool)
    first[1:] = owner[order][1:] != owner[order][:-1]
    kept = np.zeros(count + 1, dtype=bool)
    kept[order[first]] = True
    return np.where(kept[parts], labels, 0).astype(np.int32)
