"""The features of colours as functions that numba compiles; they let other threads run.

As everywhere in the kernels, arrays are flat and contiguous.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from napari_construct.crf.base.numba_gate import LANES
from napari_construct.crf.kernels.compiling import entry, part
from napari_construct.crf.kernels.functions import exp, f32
from napari_construct.crf.kernels.vectors import (
    every,
    load,
    load_every,
    multiply,
    multiply_add,
    store,
    subtract,
    total,
)

AT_ONCE = 8


@part
@no_type_check
def _similarity(red, green, blue, landmarks, padded, out, to):
    """exp(-|c - z|^2 / 2) of one colour and all landmarks (3, padded)."""
    r, g, b, minus = every(red), every(green), every(blue), every(f32(-0.5))
    for j in range(0, padded, LANES):
        d = subtract(load(landmarks, j), r)
        square = multiply(d, d)
        d = subtract(load(landmarks, padded + j), g)
        square = multiply_add(d, d, square)
        d = subtract(load(landmarks, 2 * padded + j), b)
        store(out, to + j, exp(multiply(minus, multiply_add(d, d, square))))


@entry
@no_type_check
def features(colours, landmarks, weights, out, missing, r):
    """Features of colours, ``out`` (n, r), and 1 - |phi|^2 of each.

    ``colours`` (n, 3) and ``landmarks`` (3, m up to eight) are in standard deviations; ``weights`` (m, r).
    """
    n, m, padded = missing.size, weights.size // r, landmarks.size // 3
    psi = np.empty(AT_ONCE * padded, np.float32)
    phi = np.empty(AT_ONCE * r, np.float32)
    for start in range(0, n, AT_ONCE):
        count = min(n - start, AT_ONCE)
        for i in range(AT_ONCE):
            c = 3 * (start + min(i, count - 1))
            _similarity(colours[c], colours[c + 1], colours[c + 2], landmarks, padded, psi, i * padded)
        for c in range(0, r, LANES):
            p0 = p1 = p2 = p3 = p4 = p5 = p6 = p7 = every(f32(0))
            for j in range(m):
                w = load(weights, j * r + c)
                p0 = multiply_add(load_every(psi, j), w, p0)
                p1 = multiply_add(load_every(psi, j + padded), w, p1)
                p2 = multiply_add(load_every(psi, j + 2 * padded), w, p2)
                p3 = multiply_add(load_every(psi, j + 3 * padded), w, p3)
                p4 = multiply_add(load_every(psi, j + 4 * padded), w, p4)
                p5 = multiply_add(load_every(psi, j + 5 * padded), w, p5)
                p6 = multiply_add(load_every(psi, j + 6 * padded), w, p6)
                p7 = multiply_add(load_every(psi, j + 7 * padded), w, p7)
            store(phi, c, p0)
            store(phi, c + r, p1)
            store(phi, c + 2 * r, p2)
            store(phi, c + 3 * r, p3)
            store(phi, c + 4 * r, p4)
            store(phi, c + 5 * r, p5)
            store(phi, c + 6 * r, p6)
            store(phi, c + 7 * r, p7)
        for i in range(count):
            square = every(f32(0))
            for c in range(0, r, LANES):
                value = load(phi, i * r + c)
                square = multiply_add(value, value, square)
                store(out, (start + i) * r + c, value)
            missing[start + i] = max(f32(0), f32(1) - total(square))


@entry
@no_type_check
def pivoted_cholesky(points, counts, tolerance, least, columns, landmarks):
    """As ``landmarks.pivoted_cholesky``: fill ``columns`` (most, n) and ``landmarks``; how many there are.

    ``points`` are (n, 3); ``least`` is the residual under which there is nothing to choose.
    """
    n, most = counts.size, landmarks.size
    residual, everything = np.ones(n), counts.sum()
    for made in range(most):
        i, best, left = 0, -1.0, 0.0
        for t in range(n):
            worth = residual[t] * np.sqrt(counts[t])
            left += residual[t] * counts[t]
            if worth > best:
                i, best = t, worth
        top = residual[i]
        if top <= least or left <= tolerance * everything:
            return made
        column = columns[made * n : (made + 1) * n]
        for t in range(n):
            distance = 0.0
            for c in range(3):
                distance += (points[3 * t + c] - points[3 * i + c]) ** 2
            column[t] = np.exp(-0.5 * distance)
        for j in range(made):
            factor, other = columns[j * n + i], columns[j * n : (j + 1) * n]
            for t in range(n):
                column[t] -= factor * other[t]
        for t in range(n):
            value = column[t] / np.sqrt(top) if residual[t] > 0 else 0.0
            column[t] = value
            residual[t] = max(0.0, residual[t] - value * value)
        residual[i] = 0
        landmarks[made] = i
    return most
