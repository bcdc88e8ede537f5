"""One cell of the mean field: slice, softmax and splat, as functions that numba compiles.

All arrays are flat and contiguous, with sizes and places given as numbers: float32, but for the features,
which may be bfloat16 given as uint16. They are widened when they are read, and nothing else is rounded.

Splines are linear here, so a cell of s x s pixels sees the four nodes at its corners, each with k planes of r
features (r is a multiple of eight). On its way to the pixels a column of nodes is first brought to the s rows
of pixels, once for the cells on both of its sides; then every pixel interpolates between two columns. On the
way back it is the same the other way round. Planes are taken four at a time, so that the features are read
once for all four; where two or three are left, the last one is worked on several times and written once.
"""

from __future__ import annotations

from typing import no_type_check

from napari_construct.crf.base.numba_gate import LANES
from napari_construct.crf.kernels.compiling import part
from napari_construct.crf.kernels.functions import exp, f32
from napari_construct.crf.kernels.vectors import (
    add,
    divide,
    every,
    fetch,
    larger,
    load,
    load_every,
    multiply,
    multiply_add,
    store,
    store_totals,
    subtract,
    total,
)

TOGETHER = 4
"""Planes."""

LINE = 32
"""Features of bfloat16 that a cache brings at once."""


@part
@no_type_check
def rows_of_column(nodes, at, line, n, s, splines, out, to):
    """Bring n numbers of a node, and of the one under it, to s rows of pixels: ``out[to:]`` (s, n)."""
    for i in range(0, n, LANES):
        upper, lower = load(nodes, at + i), load(nodes, at + line + i)
        for row in range(s):
            u, v = load_every(splines, 2 * row), load_every(splines, 2 * row + 1)
            store(out, to + row * n + i, multiply_add(v, lower, multiply(u, upper)))


@part
@no_type_check
def _dot(columns, o, p, u, v, phi, so_far):
    """Add features times the mean of two columns' numbers."""
    return multiply_add(multiply_add(v, load(columns, p), multiply(u, load(columns, o))), phi, so_far)


@part
@no_type_check
def slice_plane(columns, o, p, n, features, f, s, r, splines, out, x):
    """Add one plane of the nodes' values at a cell's pixels to ``out``; columns are at ``o`` and ``p``."""
    for _row in range(s):
        for ix in range(s):
            u, v = load_every(splines, 2 * ix), load_every(splines, 2 * ix + 1)
            a = every(f32(0))
            for c in range(0, r, LANES):
                a = _dot(columns, o + c, p + c, u, v, load(features, f + c), a)
            out[x] += total(a)
            f += r
            x += 1
        o += n
        p += n


@part
@no_type_check
def _fetch_pixel(features, f, r):
    """Ask for a pixel's features: those of the next cell are on another page of memory."""
    for c in range(0, r, LINE):
        fetch(features, f + c)


@part
@no_type_check
def _slice_planes(columns, o, p, n, more, features, f, s, r, splines, out, x, plane, sums):
    """As ``slice_plane`` for two to four planes, ``more`` after the first; ``sums`` is room for four."""
    j2, j3, place = min(2, more) * r, more * r, 0
    for _row in range(s):
        for ix in range(s):
            _fetch_pixel(features, f + s * s * r, r)  # of the cell that comes next
            u, v = load_every(splines, 2 * ix), load_every(splines, 2 * ix + 1)
            a = b = d = e = every(f32(0))
            for c in range(0, r, LANES):
                phi = load(features, f + c)
                a = _dot(columns, o + c, p + c, u, v, phi, a)
                b = _dot(columns, o + r + c, p + r + c, u, v, phi, b)
                d = _dot(columns, o + j2 + c, p + j2 + c, u, v, phi, d)
                e = _dot(columns, o + j3 + c, p + j3 + c, u, v, phi, e)
            store_totals(sums, place, a, b, d, e)
            f += r
            place += TOGETHER
        o += n
        p += n
    for j in range(more + 1):
        for i in range(s * s):
            out[x + j * plane + i] += sums[TOGETHER * i + j]


@part
@no_type_check
def slice_cell(columns, left, right, n, features, f, s, k, r, splines, out, to, plane, sums):
    """Add the nodes' values at a cell's pixels to k planes of ``out``, the first at ``to``.

    ``left`` and ``right`` are where the cell's columns are, (s, k, r) each, ``f`` where its features are;
    ``sums`` is room for four planes.
    """
    for kk in range(0, k, TOGETHER):
        more, o, p, x = min(k - kk, TOGETHER) - 1, left + kk * r, right + kk * r, to + kk * plane
        if more == 0:
            slice_plane(columns, o, p, n, features, f, s, r, splines, out, x)
        else:
            _slice_planes(columns, o, p, n, more, features, f, s, r, splines, out, x, plane, sums)


@part
@no_type_check
def _add_to(nodes, at, value):
    store(nodes, at, add(value, load(nodes, at)))


@part
@no_type_check
def _splat_one(values, x, features, f, s, r, splines, nodes, at, n, line):
    """Add eight features of a cell, times one plane of values, to its four nodes."""
    ul = ur = ll = lr = every(f32(0))
    for row in range(s):
        left = right = every(f32(0))
        for ix in range(s):
            product = multiply(load(features, f), load_every(values, x))
            left = multiply_add(product, load_every(splines, 2 * ix), left)
            right = multiply_add(product, load_every(splines, 2 * ix + 1), right)
            f += r
            x += 1
        u, v = load_every(splines, 2 * row), load_every(splines, 2 * row + 1)
        ul, ur = multiply_add(u, left, ul), multiply_add(u, right, ur)
        ll, lr = multiply_add(v, left, ll), multiply_add(v, right, lr)
    _add_to(nodes, at, ul)
    _add_to(nodes, at + n, ur)
    _add_to(nodes, at + line, ll)
    _add_to(nodes, at + line + n, lr)


@part
@no_type_check
def _add_some(nodes, at, r, more, a, b, c, d):
    """Add numbers of one plane, and of ``more``, to a node."""
    _add_to(nodes, at, a)
    if more > 0:
        _add_to(nodes, at + r, b)
    if more > 1:
        _add_to(nodes, at + 2 * r, c)
    if more > 2:
        _add_to(nodes, at + 3 * r, d)


@part
@no_type_check
def _add_four(w, a, b, c, d, to_a, to_b, to_c, to_d):
    """Four vectors plus w times four others."""
    return (
        multiply_add(w, a, to_a),
        multiply_add(w, b, to_b),
        multiply_add(w, c, to_c),
        multiply_add(w, d, to_d),
    )


@part
@no_type_check
def _splat_some(values, x, plane, more, features, f, s, r, splines, nodes, at, n, line):
    """As ``_splat_one`` for two to four planes, ``more`` after the first."""
    j2, j3 = min(2, more) * plane, more * plane
    zero = every(f32(0))
    ul0 = ul1 = ul2 = ul3 = ur0 = ur1 = ur2 = ur3 = zero
    ll0 = ll1 = ll2 = ll3 = lr0 = lr1 = lr2 = lr3 = zero
    for row in range(s):
        l0 = l1 = l2 = l3 = r0 = r1 = r2 = r3 = zero
        for ix in range(s):
            phi = load(features, f)
            left = multiply(phi, load_every(splines, 2 * ix))
            right = multiply(phi, load_every(splines, 2 * ix + 1))
            w = load_every(values, x)
            l0, r0 = multiply_add(left, w, l0), multiply_add(right, w, r0)
            w = load_every(values, x + plane)
            l1, r1 = multiply_add(left, w, l1), multiply_add(right, w, r1)
            w = load_every(values, x + j2)
            l2, r2 = multiply_add(left, w, l2), multiply_add(right, w, r2)
            w = load_every(values, x + j3)
            l3, r3 = multiply_add(left, w, l3), multiply_add(right, w, r3)
            f += r
            x += 1
        u, v = load_every(splines, 2 * row), load_every(splines, 2 * row + 1)
        ul0, ul1, ul2, ul3 = _add_four(u, l0, l1, l2, l3, ul0, ul1, ul2, ul3)
        ur0, ur1, ur2, ur3 = _add_four(u, r0, r1, r2, r3, ur0, ur1, ur2, ur3)
        ll0, ll1, ll2, ll3 = _add_four(v, l0, l1, l2, l3, ll0, ll1, ll2, ll3)
        lr0, lr1, lr2, lr3 = _add_four(v, r0, r1, r2, r3, lr0, lr1, lr2, lr3)
    _add_some(nodes, at, r, more, ul0, ul1, ul2, ul3)
    _add_some(nodes, at + n, r, more, ur0, ur1, ur2, ur3)
    _add_some(nodes, at + line, r, more, ll0, ll1, ll2, ll3)
    _add_some(nodes, at + line + n, r, more, lr0, lr1, lr2, lr3)


@part
@no_type_check
def splat_cell(values, to, plane, features, f, s, k, r, splines, nodes, at, line):
    """Add a cell's pixels to its nodes: the upper left at ``at``, a row of nodes is ``line`` long."""
    for kk in range(0, k, TOGETHER):
        more, x = min(k - kk, TOGETHER) - 1, to + kk * plane
        for c in range(0, r, LANES):
            if c % LINE == 0:  # ask for the next cell's; for all of them at once it would wait
                for place in range(f + c, f + s * s * r, r):
                    fetch(features, place + s * s * r)
            o = at + kk * r + c
            if more == 0:
                _splat_one(values, x, features, f + c, s, r, splines, nodes, o, k * r, line)
            else:
                _splat_some(values, x, plane, more, features, f + c, s, r, splines, nodes, o, k * r, line)


@part
@no_type_check
def softmax_cell(logits, q, at, k, plane, own, change, room):
    """New probabilities of a cell, k + 1 labels; and how far differences from the last one move.

    ``own`` is what a probability adds to its own logit; ``room`` is for (k + 1) times eight numbers.
    """
    last = at + k * plane
    for x in range(0, plane, LANES):
        weight = load(own, x)
        most = multiply_add(weight, load(q, at + x), load(logits, at + x))
        store(room, 0, most)
        for kk in range(1, k + 1):
            place = at + kk * plane + x
            value = multiply_add(weight, load(q, place), load(logits, place))
            store(room, kk * LANES, value)
            most = larger(most, value)
        scale = every(f32(0))
        for kk in range(k + 1):
            value = exp(subtract(load(room, kk * LANES), most))
            store(room, kk * LANES, value)
            scale = add(scale, value)
        scale = divide(every(f32(1)), scale)
        new = multiply(load(room, k * LANES), scale)
        moved = subtract(new, load(q, last + x))
        store(q, last + x, new)
        for kk in range(k):
            place = at + kk * plane + x
            new = multiply(load(room, kk * LANES), scale)
            store(change, kk * plane + x, subtract(subtract(new, load(q, place)), moved))
            store(q, place, new)
