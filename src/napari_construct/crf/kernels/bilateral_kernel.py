"""The sum of the appearance kernel over the pixels around each, as a function that numba compiles."""

from __future__ import annotations

from typing import no_type_check

from napari_construct.crf.base.numba_gate import LANES
from napari_construct.crf.kernels.compiling import entry, part
from napari_construct.crf.kernels.functions import f32
from napari_construct.crf.kernels.vectors import (
    every,
    floor,
    larger,
    load,
    load_every,
    multiply,
    multiply_add,
    store,
    subtract,
    two_to,
)


@part
@no_type_check
def _power_of_two(x):
    """Two to the power of numbers up to 0, to 1e-4 of itself; those under -60 are taken for it.

    Products with numbers that underflow make a processor stumble.
    """
    power = larger(x, every(f32(-60)))
    whole = floor(power)
    rest = subtract(power, whole)
    value = every(f32(0.07802415))
    value = multiply_add(value, rest, every(f32(0.22606718)))
    value = multiply_add(value, rest, every(f32(0.6958338)))
    value = multiply_add(value, rest, every(f32(0.99992516)))
    return multiply(value, two_to(whole))


@part
@no_type_check
def _weight(colours, plane, at, red, green, blue, far):
    """The kernel between eight pixels and those that begin at a place."""
    apart = subtract(load(colours, at), red)
    square = multiply(apart, apart)
    apart = subtract(load(colours, at + plane), green)
    square = multiply_add(apart, apart, square)
    apart = subtract(load(colours, at + 2 * plane), blue)
    return _power_of_two(subtract(far, multiply_add(apart, apart, square)))


@entry
@no_type_check
def bilateral(values, colours, out, shifts, far, first, rows, wide, line, plane, k):
    """Kernel times k planes of values, at rows of pixels.

    ``values`` (k planes) and ``colours`` (3 planes; differences are exponents' roots) have rows of ``line``
    numbers with an edge on all sides; the rows asked for begin at ``first``. ``shifts`` lead from a pixel to
    those around it, and ``far`` are the exponents of their distances. ``out`` is (k, rows, wide).
    """
    for row in range(rows):
        for x in range(0, wide, LANES):
            at, to = first + row * line + x, row * wide + x
            red, green, blue = load(colours, at), load(colours, at + plane), load(colours, at + 2 * plane)
            for kk in range(0, k, 4):
                more, base, o = min(k - kk, 4) - 1, kk * plane, kk * rows * wide + to
                a = b = c = d = every(f32(0))
                if more < 2:
                    second = more * plane
                    for i in range(shifts.size):
                        p = at + shifts[i]
                        w = _weight(colours, plane, p, red, green, blue, load_every(far, i))
                        a = multiply_add(w, load(values, base + p), a)
                        b = multiply_add(w, load(values, base + second + p), b)
                else:
                    last = more * plane
                    for i in range(shifts.size):
                        p = at + shifts[i]
                        w = _weight(colours, plane, p, red, green, blue, load_every(far, i))
                        a = multiply_add(w, load(values, base + p), a)
                        b = multiply_add(w, load(values, base + plane + p), b)
                        c = multiply_add(w, load(values, base + 2 * plane + p), c)
                        d = multiply_add(w, load(values, base + last + p), d)
                store(out, o, a)
                if more > 0:
                    store(out, o + rows * wide, b)
                if more > 1:
                    store(out, o + 2 * rows * wide, c)
                if more > 2:
                    store(out, o + 3 * rows * wide, d)
