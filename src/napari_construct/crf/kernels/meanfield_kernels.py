"""Iterations of the mean field on bands of cells as functions that numba compiles.

Arrays as in :mod:`~napari_construct.crf.kernels.lattice_kernels`. Probabilities and logits of k + 1 labels
are kept cell by cell, (y, nx, k + 1, plane), with planes of s x s pixels rounded up to eight.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from napari_construct.crf.base.numba_gate import LANES
from napari_construct.crf.kernels.cells import TOGETHER, slice_cell, softmax_cell, splat_cell
from napari_construct.crf.kernels.compiling import entry, part
from napari_construct.crf.kernels.functions import f32, log
from napari_construct.crf.kernels.lattice_kernels import blur, bring, send
from napari_construct.crf.kernels.vectors import (
    add,
    divide,
    every,
    larger,
    load,
    multiply,
    store,
    subtract,
)


@part
@no_type_check
def _fill(probabilities, order, logits, at, plane, y0, x0, s, h, w):
    """Bring the pixels of a cell from planes (k, h, w); those outside the image get ones.

    Vectors bring some pixels of the next cell too, in the place of the next row, which comes after.
    """
    width = (s + LANES - 1) // LANES * LANES
    for i in range(order.size):
        to = at + i * plane
        for x in range(to, to + plane, LANES):
            store(logits, x, every(f32(1)))
        for row in range(min(s, h - y0)):
            source = (order[i] * h + y0 + row) * w + x0
            if x0 + width <= w and row * s + width <= plane:
                for ix in range(0, s, LANES):
                    store(logits, to + row * s + ix, load(probabilities, source + ix))
            else:
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
    ahead = np.empty((k + 1) * plane, np.float32)
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
                last = multiply(larger(load(logits, x + k * plane), floor), scale)
                for kk in range(k + 1):
                    value = larger(load(logits, x + kk * plane), floor)
                    store(logits, x + kk * plane, log(value))
                    value = multiply(value, scale)
                    store(q, x + kk * plane, value)
                    store(ahead, x - at + kk * plane, subtract(value, last))
            splat_cell(
                ahead, 0, plane, features, i * s * s * r, s, k, r, splines, fresh, upper + cx * k * r, down
            )
        send(fresh, cy, nodes, k, r, wx, x_first, x_end, sx, space)
    send(fresh, y, nodes, k, r, wx, x_first, x_end, sx, space)


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
    line = mx * n
    columns, sums = np.empty(2 * s * n, np.float32), np.empty(TOGETHER * p, np.float32)
    own, change = np.zeros(plane, np.float32), np.empty(k * plane, np.float32)
    room = np.empty((k + 1) * LANES, np.float32)
    fresh, space = np.zeros(2 * line, np.float32), np.empty(2 * sx.size // mx, np.float32)
    for cy in range(y):
        upper, down = (cy & 1) * line, line - 2 * (cy & 1) * line
        bring(blurred, cy, 0, nx, s, n, splines, columns)
        for cx in range(nx):
            bring(blurred, cy, cx + 1, nx, s, n, splines, columns)
            i, left = cy * nx + cx, (cx & 1) * s * n
            at, f = i * (k + 1) * plane, i * p * r
            slice_cell(columns, left, s * n - left, n, features, f, s, k, r, splines, logits, at, plane, sums)
            for x in range(p):
                own[x] = appearance * residual[i * p + x]
            softmax_cell(logits, q, at, k, plane, own, change, room)
            if not last:
                splat_cell(change, 0, plane, features, f, s, k, r, splines, fresh, upper + cx * n, down)
        if not last:
            send(fresh, cy, nodes, k, r, wx, x_first, x_end, sx, space)
    if not last:
        send(fresh, y, nodes, k, r, wx, x_first, x_end, sx, space)


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
