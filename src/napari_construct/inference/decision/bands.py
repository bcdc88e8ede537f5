"""Rows of an image in pieces, so that work on a large one can be cancelled in between."""

from __future__ import annotations

BAND_PIXELS = 1 << 21
"""Of an image that are worked on between two moments at which a job can be cancelled."""


def bands(h: int, w: int) -> list[slice]:
    """Rows of an image of h x w pixels in pieces that take a fraction of a second."""
    rows = max(BAND_PIXELS // w, 1)
    return [slice(start, min(start + rows, h)) for start in range(0, h, rows)]
