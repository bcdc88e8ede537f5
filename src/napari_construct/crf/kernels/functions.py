"""Exponential and logarithm of vectors, and sums along a band, as functions that numba compiles."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from napari_construct.crf.base.numba_gate import LANES
from napari_construct.crf.kernels.compiling import part
from napari_construct.crf.kernels.vectors import (
    divide,
    every,
    exponent,
    floor,
    larger,
    load,
    load_every,
    mantissa,
    multiply,
    multiply_add,
    store,
    subtract,
    two_to,
)

f32 = np.float32

WIDE = 4 * LANES
STRETCH = 8 * WIDE
"""Numbers of a row that are worked on before the next stretch of all rows: 1 KiB."""


@part
@no_type_check
def exp(x):
    """Exponential of numbers up to 0, to 4e-6 of itself (2e-7 near 0); those under -87 are taken for it."""
    power = larger(multiply(x, every(f32(1.4426950408889634))), every(f32(-126)))
    whole = floor(power)
    rest = subtract(power, whole)
    value = every(f32(1.8775767e-3))
    value = multiply_add(value, rest, every(f32(8.9893397e-3)))
    value = multiply_add(value, rest, every(f32(5.5826318e-2)))
    value = multiply_add(value, rest, every(f32(2.4015361e-1)))
    value = multiply_add(value, rest, every(f32(6.9315308e-1)))
    value = multiply_add(value, rest, every(f32(9.9999994e-1)))
    return multiply(value, two_to(whole))


@part
@no_type_check
def log(x):
    """Natural logarithm of positive numbers, to 1e-6: the mantissa m by atanh((m - c) / (m + c)), c^2 = 2."""
    m, c = mantissa(x), every(f32(1.4142135623730951))
    z = divide(subtract(m, c), multiply_add(every(f32(1)), m, c))
    square = multiply(z, z)
    value = every(f32(2 / 9))
    value = multiply_add(value, square, every(f32(2 / 7)))
    value = multiply_add(value, square, every(f32(2 / 5)))
    value = multiply_add(value, square, every(f32(2 / 3)))
    value = multiply_add(value, square, every(f32(2)))
    two = every(f32(0.6931471805599453))
    return multiply_add(value, z, multiply_add(exponent(x), two, every(f32(0.34657359027997264))))


@part
@no_type_check
def band_sums(given, at, stride, out, to, step, weights, first, end, length):
    """Rows of ``length`` numbers as sums of rows: ``out[i] = sum_j weights[i, j] given[j]``.

    Rows are ``step`` and ``stride`` apart; j goes from ``first[i]`` to ``end[i]``, neither of which falls,
    and weights are zero outside. Two rows and 32 numbers are made at a time, so that each number that is
    read serves twice, and all rows of one stretch before the next, so that what is read stays in the cache
    and is brought there in long pieces.
    """
    count, whole = first.size, length // WIDE * WIDE
    across = weights.size // count
    for start in range(0, whole, STRETCH):
        for i in range(0, count, 2):
            other = min(i + 1, count - 1)
            for x in range(start, min(start + STRETCH, whole), WIDE):
                a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = every(f32(0))
                for j in range(first[i], end[other]):
                    u, v = load_every(weights, i * across + j), load_every(weights, other * across + j)
                    place = at + j * stride + x
                    value = load(given, place)
                    a0, b0 = multiply_add(u, value, a0), multiply_add(v, value, b0)
                    value = load(given, place + LANES)
                    a1, b1 = multiply_add(u, value, a1), multiply_add(v, value, b1)
                    value = load(given, place + 2 * LANES)
                    a2, b2 = multiply_add(u, value, a2), multiply_add(v, value, b2)
                    value = load(given, place + 3 * LANES)
                    a3, b3 = multiply_add(u, value, a3), multiply_add(v, value, b3)
                _store_four(out, to + i * step + x, a0, a1, a2, a3)
                _store_four(out, to + other * step + x, b0, b1, b2, b3)
    for x in range(whole, length, LANES):
        for i in range(count):
            a0 = every(f32(0))
            for j in range(first[i], end[i]):
                a0 = multiply_add(load_every(weights, i * across + j), load(given, at + j * stride + x), a0)
            store(out, to + i * step + x, a0)


@part
@no_type_check
def _store_four(out, to, a, b, c, d):
    store(out, to, a)
    store(out, to + LANES, b)
    store(out, to + 2 * LANES, c)
    store(out, to + 3 * LANES, d)
