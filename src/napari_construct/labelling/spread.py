"""Choose patches that differ: spread over how tissue looks, so that what is rare is among them.

What a patch looks like is described by the mean of an encoder's feature maps (texture) and by the mean and
the spread of its optical densities (stain). Both are standardised over the candidates, reduced to the
directions in which they differ most, and weighted alike. Then k centres are chosen greedily (Gonzalez 1985,
Theoretical Computer Science 38; as core sets in Sener and Savarese 2018, arXiv 1708.00489): each next patch
is the one farthest from all that are chosen. Every start of the list is spread, too: whoever labels only the
first twenty has seen all kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.types import FloatArray, RGBImage

DIRECTIONS: Final = 16
"""Of the features of an encoder that are kept; the others are noise to distances."""

_STAINED: Final = 0.15
_ENOUGH: Final = 0.05
"""Mean density from which a pixel is stained, and the share of a patch that needs to be."""

_STAIN_WEIGHT: Final = 0.5
"""Variance of the stain against that of the texture."""


def spread_choice(features: FloatArray, count: int) -> list[int]:
    """Indices of k centres, chosen greedily.

    Parameters
    ----------
    features : ndarray
        (n, d) float32.
    count : int
        How many; all of them where there are no more.

    Returns
    -------
    list of int
        In the order of the choice: first the patch nearest to the mean, then always the one that is farthest
        from all chosen ones. Of equal ones the first.
    """
    n = len(features)
    if n == 0:
        return []
    points = np.asarray(features, dtype=np.float64)
    first = int(np.argmin(((points - points.mean(axis=0)) ** 2).sum(axis=1)))
    chosen = [first]
    nearest = ((points - points[first]) ** 2).sum(axis=1)
    nearest[first] = -1.0
    while len(chosen) < min(count, n):
        one = int(np.argmax(nearest))
        chosen.append(one)
        nearest = np.minimum(nearest, ((points - points[one]) ** 2).sum(axis=1))
        nearest[chosen] = -1.0
    return chosen


def looks(texture: FloatArray, stain: FloatArray) -> FloatArray:
    """Features in which distances say how different two patches look: (n, d) float32.

    Parameters
    ----------
    texture : ndarray
        (n, c) pooled features of an encoder.
    stain : ndarray
        (n, 6) of :func:`stain_of`.
    """
    parts = [_scaled(_directions(_standard(texture))), _STAIN_WEIGHT**0.5 * _scaled(_standard(stain))]
    return np.concatenate(parts, axis=1).astype(np.float32)


def stain_of(image: RGBImage) -> FloatArray:
    """(6,) float32: mean and standard deviation of the optical density (natural logarithm) by channel.

    Of pixels that absorb light, where there are enough of them: how much glass a patch shows is no stain.
    """
    density = -np.log((image.reshape(-1, 3).astype(np.float32) + 1) / 256)
    stained = density.mean(axis=1) >= _STAINED
    if stained.mean() >= _ENOUGH:
        density = density[stained]
    return np.concatenate([density.mean(axis=0), density.std(axis=0)]).astype(np.float32)


def stacked(rows: Sequence[FloatArray], width: int) -> FloatArray:
    """(n, width) of n rows; also of none."""
    return np.stack(rows) if rows else np.zeros((0, width), np.float32)


def _standard(values: FloatArray) -> NDArray[np.float64]:
    wide = np.asarray(values, dtype=np.float64)
    spread = wide.std(axis=0)
    found: NDArray[np.float64] = (wide - wide.mean(axis=0)) / np.where(spread > 1e-6, spread, 1.0)
    return found


def _directions(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coordinates along the directions of largest variance."""
    if len(values) < 2:
        return values[:, :DIRECTIONS]
    left, strength, _ = np.linalg.svd(values, full_matrices=False)
    kept: NDArray[np.float64] = left[:, :DIRECTIONS] * strength[:DIRECTIONS]
    return kept


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divided so that the mean squared length is 1."""
    size = float(np.sqrt((values**2).sum(axis=1).mean())) if len(values) else 1.0
    return values / size if size > 0 else values
