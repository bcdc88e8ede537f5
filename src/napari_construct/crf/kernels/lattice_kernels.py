"""The mean field on bands of cells as functions that numba compiles; they let other threads run.

Arrays as in :mod:`~napari_construct.crf.kernels.cells`: flat, with sizes and places as numbers. A
band has y rows of nx cells of s x s pixels, and nodes (y + 1, nx + 1, k, r). Two rows of nodes are summed at
a time, and blurred along x (``wx``, ``sx``) when they are sent on, while they are in the cache; the blur
along y comes when all bands have sent theirs.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from napari_construct.crf.base.numba_gate import LANES
from napari_construct.crf.kernels.cells import (
    TOGETHER,
    rows_of_column,
    slice_cell,
    slice_plane,
    splat_cell,
)
from napari_construct.crf.kernels.compiling import entry, part
from napari_construct.crf.kernels.functions import band_sums
from napari_construct.crf.kernels.vectors import (
    every,
    load,
    multiply,
    multiply_add,
    store,
)


@part
@no_type_check
def bring(nodes, cy, cx, nx, s, n, splines, columns):
    """Bring a column of nodes to the rows of cells cy; neighbours are kept in turn."""
    line = (nx + 1) * n
    rows_of_column(nodes, cy * line + cx * n, line, n, s, splines, columns, (cx & 1) * s * n)


@part
@no_type_check
def send(fresh, number, nodes, k, r, wx, x_first, x_end, sx, space):
    """Blur a row of nodes along x with both kernels on its way from ``fresh`` to ``nodes``, and clear it.

    ``fresh`` has room for two rows, those with even and those with odd numbers.
    """
    mx, n = x_first.size, k * r
    wide, row, at = sx.size // mx, (number & 1) * mx * n, number * mx * n
    band_sums(fresh, row, n, nodes, at, n, wx, x_first, x_end, n)
    none = np.zeros(1, np.int64)
    for kk in range(k):
        for x in range(mx):
            space[x] = fresh[row + x * n + kk * r + r - 1]
        # the kernel is symmetric: its rows serve as columns, with a node's value as their weight
        band_sums(sx, 0, wide, space, wide, wide, space[:mx], none, none + mx, wide)
        for x in range(mx):
            nodes[at + x * n + kk * r + r - 1] = space[wide + x]
    fresh[row : row + mx * n] = 0


@entry
@no_type_check
def splat(values, features, splines, nodes, wx, x_first, x_end, sx, y, nx, s, k, r):
    """Sum values (y, nx, k, s s) times features (y, nx, s s, r) on the nodes, and blur them along x."""
    p, line = s * s, (nx + 1) * k * r
    fresh, space = np.zeros(2 * line, np.float32), np.empty(2 * sx.size // (nx + 1), np.float32)
    for cy in range(y):
        upper, down = (cy & 1) * line, line - 2 * (cy & 1) * line
        for cx in range(nx):
            i = (cy * nx + cx) * p
            splat_cell(values, i * k, p, features, i * r, s, k, r, splines, fresh, upper + cx * k * r, down)
        send(fresh, cy, nodes, k, r, wx, x_first, x_end, sx, space)
    send(fresh, y, nodes, k, r, wx, x_first, x_end, sx, space)


@entry
@no_type_check
def gather(nodes, features, splines, out, y, nx, s, k, r):
    """Values (y, nx, k, s s) of the nodes at every pixel."""
    p, n = s * s, k * r
    columns, sums = np.empty(2 * s * n, np.float32), np.empty(TOGETHER * p, np.float32)
    out[:] = 0
    for cy in range(y):
        bring(nodes, cy, 0, nx, s, n, splines, columns)
        for cx in range(nx):
            bring(nodes, cy, cx + 1, nx, s, n, splines, columns)
            i, left = (cy * nx + cx) * p, (cx & 1) * s * n
            slice_cell(columns, left, s * n - left, n, features, i * r, s, k, r, splines, out, i * k, p, sums)


@entry
@no_type_check
def normalise(nodes, features, splines, inside, residual, smooth, least, y, nx, s, r):
    """Scale features by the appearance kernel's row sums, at least ``least``, to the power -1/2.

    ``nodes`` (y + 1, nx + 1, r) are the kernel times ``inside``. The last feature, which was zero, becomes
    ``smooth``.
    """
    p = s * s
    columns, sums = np.empty(2 * s * r, np.float32), np.empty(p, np.float32)
    last = np.zeros(LANES, np.float32)
    last[LANES - 1] = 1
    for cy in range(y):
        bring(nodes, cy, 0, nx, s, r, splines, columns)
        for cx in range(nx):
            bring(nodes, cy, cx + 1, nx, s, r, splines, columns)
            i, left = cy * nx + cx, (cx & 1) * s * r
            sums[:] = 0
            slice_plane(columns, left, s * r - left, r, features, i * p * r, s, r, splines, sums, 0)
            for x in range(p):
                at = i * p + x
                root = inside[at] / np.sqrt(max(sums[x] + residual[at], least))
                residual[at] *= root * root
                end = (at + 1) * r - LANES
                for c in range(at * r, end, LANES):
                    store(features, c, multiply(every(root), load(features, c)))
                tail = multiply(every(smooth[at]), load(last, 0))
                store(features, end, multiply_add(every(root), load(features, end), tail))


@entry
@no_type_check
def blur(out, nodes, smooth_nodes, wy, y_first, y_end, sy, smooth, appearance, mx, k, r):
    """Both kernels times their weights: ``out`` (y + 1, nx + 1, k, r) of nodes that are blurred along x.

    ``wy`` (y + 1, rows of ``nodes``) is the appearance kernel's, a band as ``band_sums`` has it, and ``sy``
    (y + 1, rows of ``smooth_nodes``) the smoothness kernel's, which is for the last feature only; after its
    own numbers ``out`` has room for that.
    """
    my, n = y_first.size, k * r
    line, m = mx * n, sy.size // my
    column = out[my * line :]
    many = column.size // (m + my)
    band_sums(nodes, 0, line, out, 0, line, wy * appearance, y_first, y_end, line)
    for i in range(m):
        column[i * many + k * mx : (i + 1) * many] = 0
        for j in range(k * mx):
            column[i * many + j] = smooth_nodes[i * line + j * r + r - 1]
    whole = np.zeros(my, np.int64)
    band_sums(column, 0, many, column, m * many, many, sy * smooth, whole, whole + m, many)
    for row in range(my):
        for j in range(k * mx):
            out[row * line + j * r + r - 1] = column[(m + row) * many + j]
