"""One cell of the mean field as in ``cells``, by products of bfloat16.

What is multiplied with the features is rounded to bfloat16 just before: nodes that were brought to a row of
pixels, and values times splines. So it costs no accuracy where they are changes, which are small after the
first iteration.
"""

from __future__ import annotations

from typing import no_type_check

from napari_construct.refinement.dense_crf.cells import TOGETHER, add_some, add_sums, fetch_pixel
from napari_construct.refinement.dense_crf.compiled import LANES
from napari_construct.refinement.dense_crf.functions import f32, part
from napari_construct.refinement.dense_crf.products import (
    add_products,
    add_products_with,
    load_interleaved,
    load_pairs,
    lower,
    upper,
    wide_zero,
)
from napari_construct.refinement.dense_crf.vectors import (
    every,
    load,
    load_every,
    multiply,
    multiply_add,
    store,
    store_totals,
)


@part
@no_type_check
def rounded_width(r):
    """So many numbers take r numbers in whole sixteens."""
    return (r + 15) // 16 * 16


@part
@no_type_check
def bring_rounded(nodes, cy, cx, nx, s, k, r, splines, columns):
    """Bring a column of nodes to the rows of cells cy, rounded: (s, k, r up to sixteens); two in turn.

    r is 16 or more. Where it is no multiple of that, eight zeros, which are in ``columns`` before, come
    before the last eight.
    """
    width, line = rounded_width(r), (nx + 1) * k * r
    at, to = cy * line + cx * k * r, (cx & 1) * s * k * width
    for kk in range(k):
        for c in range(0, r, LANES):
            i, place = at + kk * r + c, to + kk * width + (c if c + LANES < r else width - LANES)
            above, below = load(nodes, i), load(nodes, i + line)
            for row in range(s):
                u, v = load_every(splines, 2 * row), load_every(splines, 2 * row + 1)
                store(columns, place + row * k * width, multiply_add(v, below, multiply(u, above)))


@part
@no_type_check
def _slice_rounded(columns, o, p, n, more, features, f, s, r, splines, out, x, plane, sums):
    """As ``_slice_planes`` for one to four planes and columns from ``bring_rounded``."""
    width = rounded_width(r)
    j1, j2, j3, place = min(1, more) * width, min(2, more) * width, more * width, 0
    zero = every(f32(0))
    for _row in range(s):
        for ix in range(s):
            fetch_pixel(features, f + s * s * r, r)
            l0 = l1 = l2 = l3 = r0 = r1 = r2 = r3 = zero
            for c in range(0, r, 2 * LANES):
                phi = load_pairs(features, f + min(c, r - 2 * LANES))
                l0 = add_products(l0, phi, load_pairs(columns, o + c))
                r0 = add_products(r0, phi, load_pairs(columns, p + c))
                l1 = add_products(l1, phi, load_pairs(columns, o + j1 + c))
                r1 = add_products(r1, phi, load_pairs(columns, p + j1 + c))
                l2 = add_products(l2, phi, load_pairs(columns, o + j2 + c))
                r2 = add_products(r2, phi, load_pairs(columns, p + j2 + c))
                l3 = add_products(l3, phi, load_pairs(columns, o + j3 + c))
                r3 = add_products(r3, phi, load_pairs(columns, p + j3 + c))
            u, v = load_every(splines, 2 * ix), load_every(splines, 2 * ix + 1)
            store_totals(
                sums,
                place,
                multiply_add(v, r0, multiply(u, l0)),
                multiply_add(v, r1, multiply(u, l1)),
                multiply_add(v, r2, multiply(u, l2)),
                multiply_add(v, r3, multiply(u, l3)),
            )
            f += r
            place += TOGETHER
        o += n
        p += n
    add_sums(sums, more, s * s, out, x, plane)


@part
@no_type_check
def slice_rounded_cell(columns, left, right, features, f, s, k, r, splines, out, to, plane, sums):
    """As ``slice_cell`` for columns from ``bring_rounded``."""
    width = rounded_width(r)
    for kk in range(0, k, TOGETHER):
        more, o, p, x = min(k - kk, TOGETHER) - 1, left + kk * width, right + kk * width, to + kk * plane
        _slice_rounded(columns, o, p, k * width, more, features, f, s, r, splines, out, x, plane, sums)


@part
@no_type_check
def _splat_rounded(values, plane, more, features, f, p, r, nodes, at, n, line, whole):
    """Add sixteen features of a cell, times one to four planes of values for each node, to its four nodes.

    Unless they are ``whole``, only the last eight are.
    """
    j1, j2, j3 = min(1, more) * 4 * plane, min(2, more) * 4 * plane, more * 4 * plane
    ul0 = ul1 = ul2 = ul3 = ur0 = ur1 = ur2 = ur3 = wide_zero()
    ll0 = ll1 = ll2 = ll3 = lr0 = lr1 = lr2 = lr3 = wide_zero()
    for x in range(0, p, 2):
        phi = load_interleaved(features, f + x * r, f + min(x + 1, p - 1) * r)
        ul0 = add_products_with(ul0, phi, values, x)
        ur0 = add_products_with(ur0, phi, values, x + plane)
        ll0 = add_products_with(ll0, phi, values, x + 2 * plane)
        lr0 = add_products_with(lr0, phi, values, x + 3 * plane)
        ul1 = add_products_with(ul1, phi, values, x + j1)
        ur1 = add_products_with(ur1, phi, values, x + j1 + plane)
        ll1 = add_products_with(ll1, phi, values, x + j1 + 2 * plane)
        lr1 = add_products_with(lr1, phi, values, x + j1 + 3 * plane)
        ul2 = add_products_with(ul2, phi, values, x + j2)
        ur2 = add_products_with(ur2, phi, values, x + j2 + plane)
        ll2 = add_products_with(ll2, phi, values, x + j2 + 2 * plane)
        lr2 = add_products_with(lr2, phi, values, x + j2 + 3 * plane)
        ul3 = add_products_with(ul3, phi, values, x + j3)
        ur3 = add_products_with(ur3, phi, values, x + j3 + plane)
        ll3 = add_products_with(ll3, phi, values, x + j3 + 2 * plane)
        lr3 = add_products_with(lr3, phi, values, x + j3 + 3 * plane)
    if whole:
        add_some(nodes, at, r, more, lower(ul0), lower(ul1), lower(ul2), lower(ul3))
        add_some(nodes, at + n, r, more, lower(ur0), lower(ur1), lower(ur2), lower(ur3))
        add_some(nodes, at + line, r, more, lower(ll0), lower(ll1), lower(ll2), lower(ll3))
        add_some(nodes, at + line + n, r, more, lower(lr0), lower(lr1), lower(lr2), lower(lr3))
    at += LANES
    add_some(nodes, at, r, more, upper(ul0), upper(ul1), upper(ul2), upper(ul3))
    add_some(nodes, at + n, r, more, upper(ur0), upper(ur1), upper(ur2), upper(ur3))
    add_some(nodes, at + line, r, more, upper(ll0), upper(ll1), upper(ll2), upper(ll3))
    add_some(nodes, at + line + n, r, more, upper(lr0), upper(lr1), upper(lr2), upper(lr3))


@part
@no_type_check
def splat_rounded_cell(values, plane, features, f, s, k, r, corners, room, nodes, at, line):
    """As ``splat_cell``; values times ``corners`` (four, plane), which are 0 beyond the pixels, are rounded.

    ``room`` is for four times four planes.
    """
    for kk in range(0, k, TOGETHER):
        more = min(k - kk, TOGETHER) - 1
        for x in range(0, plane, LANES):
            for corner in range(4):
                weight = load(corners, corner * plane + x)
                for j in range(more + 1):
                    value = multiply(weight, load(values, (kk + j) * plane + x))
                    store(room, (4 * j + corner) * plane + x, value)
        for c in range(0, r, 2 * LANES):
            first = min(c, r - 2 * LANES)
            o = at + kk * r + first
            _splat_rounded(
                room, plane, more, features, f + first, s * s, r, nodes, o, k * r, line, first == c
            )
