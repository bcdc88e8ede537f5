"""The light that comes through empty glass, over a whole slide."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from napari_construct.types import FloatArray

DARKEST_GLASS: Final = 0.55
"""Optical density that empty glass has at most, of a full white of 255; 148 grey levels."""

MOST_TINT: Final = 0.12
"""Difference between channels that empty glass has at most; yellow by 28 grey levels."""

MOST_TEXTURE: Final = 0.012
"""Standard deviation of empty glass over a few pixels, at most; pale tissue has more."""

WHITE: Final = 0.02
"""Density where there is no glass to compare with; 250 grey levels."""

LEAST_SHARE: Final = 0.002
"""Share of a picture that must look like glass for its light to be fitted."""

_STEP: Final = 4
_PADDING: Final = 0.006
"""Density under which a pixel is as white as what scanners put where they did not scan: 255 or 254.5."""
_LEAST_GLASS: Final = 0.1
"""Share of the bright smooth area that is not pure white, from which pure white is no glass."""
_SHADOW: Final = 0.01
"""Density above the fit from which a pixel counts half."""
_ROUNDS: Final = 8


def light_of_glass(density: FloatArray, texture: FloatArray) -> FloatArray:
    """Optical density of empty glass at every pixel.

    Pixels that are bright, nearly grey and smooth are glass, or very pale and smooth tissue; a surface of
    second order is fitted to them, with less weight the darker they are than it. The white of unscanned
    areas does not count where there is other glass.

    Parameters
    ----------
    density : ndarray
        (h, w, 3) optical density, natural logarithm, against a white of 255.
    texture : ndarray
        (h, w) its standard deviation around each pixel.

    Returns
    -------
    ndarray
        (h, w, 3) or, where hardly any glass is seen, (1, 1, 3) of white.
    """
    seen, smooth = density[::_STEP, ::_STEP], texture[::_STEP, ::_STEP]
    darkest, brightest = seen.max(axis=-1), seen.min(axis=-1)
    glass = (darkest <= DARKEST_GLASS) & (darkest - brightest <= MOST_TINT) & (smooth <= MOST_TEXTURE)
    scanned = glass & (darkest > _PADDING)
    if scanned.sum() >= _LEAST_GLASS * glass.sum():
        glass = scanned
    if glass.sum() < max(LEAST_SHARE * glass.size, 1):
        return np.full((1, 1, 3), WHITE, dtype=np.float32)
    terms = _terms(*(np.linspace(-1, 1, n, dtype=np.float32) for n in glass.shape), order=_order(glass))
    factors = _fitted(terms[glass], seen[glass])
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in texture.shape)
    fitted: FloatArray = _terms(rows, columns, order=_order(glass)) @ factors
    return fitted


def _order(glass: npt.NDArray[np.bool_]) -> int:
    """Of the surface: as high as glass is widespread, so that nothing is extrapolated far."""
    cells = np.zeros((4, 4), dtype=np.bool_)
    rows, columns = np.nonzero(glass)
    cells[rows * 4 // glass.shape[0], columns * 4 // glass.shape[1]] = True
    return 2 if cells.mean() >= 0.7 else 1 if cells.mean() >= 0.4 else 0


def _terms(rows: FloatArray, columns: FloatArray, *, order: int) -> FloatArray:
    """(h, w, number of terms): the powers of row and column up to ``order``."""
    y, x = rows[:, None], columns[None, :]
    powers = [y**i * x**j for i in range(order + 1) for j in range(order + 1 - i)]
    return np.stack(powers, axis=-1)


def _fitted(terms: FloatArray, seen: FloatArray) -> FloatArray:
    """Factors (terms, 3) of a least-squares fit in which what is darker than the fit counts less."""
    weights = np.ones(len(seen), dtype=np.float32)
    for _ in range(_ROUNDS):
        weighted = terms * weights[:, None]
        factors, *_rest = np.linalg.lstsq(weighted.T @ terms, weighted.T @ seen, rcond=None)
        darker = np.maximum((seen - terms @ factors).max(axis=-1), 0) / _SHADOW
        weights = (1 / (1 + darker * darker)).astype(np.float32)
    found: FloatArray = factors.astype(np.float32)
    return found
