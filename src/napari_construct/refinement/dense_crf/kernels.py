"""The mean field on bands of cells as functions that numba compiles; they let other threads run.

Arrays as in :mod:`~napari_construct.refinement.dense_crf.cells`: flat, with sizes and places as numbers. A
band has y rows of nx cells of s x s pixels, and nodes (y + 1, nx + 1, k, r). Two rows of nodes are summed at
a time, and blurred along x (``wx``, ``sx``) when they are sent on, while they are in the cache; the blur
along y comes when all bands have sent theirs. Probabilities and logits of k + 1 labels are kept cell by cell,
(y, nx, k + 1, plane), with planes of s x s pixels rounded up to eight.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from napari_construct.refinement.dense_crf.caching import entry
from napari_construct.refinement.dense_crf.cells import (
    TOGETHER,
    rows_of_column,
    slice_cell,
    slice_plane,
    softmax_cell,
    splat_cell,
)
from napari_construct.refinement.dense_crf.functions import band_sums, f32, log, part
from napari_construct.refinement.dense_crf.vectors import (
    LANES,
    add,
    divide,
    every,
    larger,
    load,
    multiply,
    multiply_add,
    store,
    subtract,
)


@part
@no_type_check
def _columns(nodes, cy, cx, nx, s, n, splines, columns):
    """Bring a column of nodes to the rows of cells cy; neighbours are kept in turn."""
    line = (nx + 1) * n
    rows_of_column(nodes, cy * line + cx * n, line, n, s, splines, columns, (cx & 1) * s * n)


@part
@no_type_check
def _send(fresh, number, nodes, k, r, wx, x_first, x_end, sx, space):
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
        _send(fresh, cy, nodes, k, r, wx, x_first, x_end, sx, space)
    _send(fresh, y, nodes, k, r, wx, x_first, x_end, sx, space)


@entry
@no_type_check
def gather(nodes, features, splines, out, y, nx, s, k, r):
    """Values (y, nx, k, s s) of the nodes at every pixel."""
    p, n = s * s, k * r
    columns, sums = np.empty(2 * s * n, np.float32), np.empty(TOGETHER * p, np.float32)
    out[:] = 0
    for cy in range(y):
        _columns(nodes, cy, 0, nx, s, n, splines, columns)
        for cx in range(nx):
            _columns(nodes, cy, cx + 1, nx, s, n, splines, columns)
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
        _columns(nodes, cy, 0, nx, s, r, splines, columns)
        for cx in range(nx):
            _columns(nodes, cy, cx + 1, nx, s, r, splines, columns)
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


@part
@no_type_check
def _fill(probabilities, order, logits, at, plane, y0, x0, s, h, w):
    """Bring the pixels of a cell from planes (k, h, w); those outside the image get ones."""
    for i in range(order.size):
        to = at + i * plane
        logits[to : to + plane] = 1
        for row in range(min(s, h - y0)):
            source = (order[i] * h + y0 + row) * w + x0
            for ix in range(min(s, w - x0)):
                logits[to + row * s + ix] = probabilities[source + ix]


@entry
@no_type_check
def begin(
    probabilities, order, least, top, h, w, logits, q, features, splines,
    nodes, wx, x_first, x_end, sx, y, nx, s, k, r,
):  # fmt: skip
    """Set up logits and probabilities, and send the differences from the last label's to the nodes.

    ``probabilities`` (k + 1, h, w) are the whole image's, raised to ``least``, and ``top`` is the band's
    first row of pixels there; label i of the cells is their label ``order[i]``.
    """
    plane = q.size // (y * nx * (k + 1))
    line = (nx + 1) * k * r
    ahead = np.empty(k * plane, np.float32)
    floor = every(least)
    fresh, space = np.zeros(2 * line, np.float32), np.empty(2 * sx.size // (nx + 1), np.float32)
    for cy in range(y):
        upper, down = (cy & 1) * line, line - 2 * (cy & 1) * line
        for cx in range(nx):
            i = cy * nx + cx
            at = i * (k + 1) * plane
            _fill(probabilities, order, logits, at, plane, top + cy * s, cx * s, s, h, w)
            for x in range(at, at + plane, LANES):
                scale = every(f32(0))
                for kk in range(k + 1):
                    scale = add(scale, larger(load(logits, x + kk * plane), floor))
                scale = divide(every(f32(1)), scale)
                for kk in range(k, -1, -1):
                    value = larger(load(logits, x + kk * plane), floor)
                    store(logits, x + kk * plane, log(value))
                    value = multiply(value, scale)
                    store(q, x + kk * plane, value)
                    if kk < k:
                        last = load(q, x + k * plane)
                        store(ahead, x - at + kk * plane, subtract(value, last))
            splat_cell(
                ahead, 0, plane, features, i * s * s * r, s, k, r, splines, fresh, upper + cx * k * r, down
            )
        _send(fresh, cy, nodes, k, r, wx, x_first, x_end, sx, space)
    _send(fresh, y, nodes, k, r, wx, x_first, x_end, sx, space)


@entry
@no_type_check
def step(
    blurred, given, smooth_given, wy, y_first, y_end, sy, smooth, appearance, mx, k, r,
    logits, q, residual, features, splines, nodes, wx, x_first, x_end, sx, y, nx, s, last,
):  # fmt: skip
    """One iteration of y rows of cells: blur, slice, softmax, and splat of the change unless it is the last.

    The first twelve are what ``blur`` takes. ``residual`` is (y, nx, s s): times the weight of the appearance
    it is what a probability adds to its own logit.
    """
    blur(blurred, given, smooth_given, wy, y_first, y_end, sy, smooth, appearance, mx, k, r)
    plane = q.size // (y * nx * (k + 1))
    p, n = s * s, k * r
    line = (nx + 1) * n
    columns, sums = np.empty(2 * s * n, np.float32), np.empty(TOGETHER * p, np.float32)
    own = np.zeros(plane, np.float32)
    change, room = np.empty(k * plane, np.float32), np.empty((k + 1) * LANES, np.float32)
    fresh, space = np.zeros(2 * line, np.float32), np.empty(2 * sx.size // (nx + 1), np.float32)
    for cy in range(y):
        upper, down = (cy & 1) * line, line - 2 * (cy & 1) * line
        _columns(blurred, cy, 0, nx, s, n, splines, columns)
        for cx in range(nx):
            _columns(blurred, cy, cx + 1, nx, s, n, splines, columns)
            i, left = cy * nx + cx, (cx & 1) * s * n
            at, f = i * (k + 1) * plane, i * p * r
            slice_cell(columns, left, s * n - left, n, features, f, s, k, r, splines, logits, at, plane, sums)
            for x in range(p):
                own[x] = appearance * residual[i * p + x]
            softmax_cell(logits, q, at, k, plane, own, change, room)
            if not last:
                splat_cell(change, 0, plane, features, f, s, k, r, splines, fresh, upper + cx * n, down)
        if not last:
            _send(fresh, cy, nodes, k, r, wx, x_first, x_end, sx, space)
    if not last:
        _send(fresh, y, nodes, k, r, wx, x_first, x_end, sx, space)


@entry
@no_type_check
def finish(q, place, out, labels, top, h, w, y, nx, s):
    """Bring q to planes (k, h, w), label l from ``place[l]``, and the largest's index to ``labels`` (h, w).

    Of equal ones the first counts. Both are the whole image's; ``labels`` may be empty.
    """
    k = place.size
    plane = q.size // (y * nx * k)
    for cy in range(y):
        for row in range(min(s, h - top - cy * s)):
            to = (top + cy * s + row) * w
            for cx in range(nx):
                at = (cy * nx + cx) * k * plane + row * s
                for ix in range(min(s, w - cx * s)):
                    best, label = f32(-1), 0
                    for i in range(k):
                        value = q[at + place[i] * plane + ix]
                        out[i * h * w + to + cx * s + ix] = value
                        if value > best:
                            best, label = value, i
                    if labels.size:
                        labels[to + cx * s + ix] = label
