"""Where cells stand, of which type they are, and how far they reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_construct.crossmodal.phantom.fields import smooth_field
from napari_construct.crossmodal.phantom.settings import PhantomSettings
from napari_construct.types import FloatArray

Floats = NDArray[np.float64]
EPITHELIAL, LYMPHOID, STROMAL, MACROPHAGE = range(4)


@dataclass(frozen=True, slots=True)
class CellType:
    """Sizes in micrometres. ``reach``: of the body beyond the nucleus, along and across its direction."""

    nucleus: tuple[float, float]
    reach: tuple[float, float]
    spacing: float
    brightness: float
    grain: float


CELL_TYPES: Final = (
    CellType(nucleus=(3.3, 2.9), reach=(3.2, 2.8), spacing=8.5, brightness=0.75, grain=0.20),
    CellType(nucleus=(2.5, 2.4), reach=(0.8, 0.7), spacing=6.0, brightness=1.0, grain=0.05),
    CellType(nucleus=(4.6, 1.6), reach=(6.0, 1.0), spacing=12.0, brightness=0.7, grain=0.10),
    CellType(nucleus=(3.1, 2.5), reach=(5.5, 4.5), spacing=13.0, brightness=0.7, grain=0.32),
)
_MIXTURE: Final = np.array(  # rows: epithelium, lymphoid tissue, stroma; columns: the types above
    [[0.88, 0.07, 0.0, 0.05], [0.06, 0.80, 0.04, 0.10], [0.02, 0.15, 0.65, 0.18]]
)
_FREE: Final = (0.06, 0.15, 0.45)
"""Share of places of a region that no cell takes."""


@dataclass(frozen=True, slots=True)
class Cells:
    """n cells; places (row, column) and semi-axes in pixels, directions in radians from the row axis.

    Attributes
    ----------
    types : ndarray
        (n,) index into ``CELL_TYPES``.
    nuclei, bodies : ndarray
        (n, 2) middles.
    nucleus_axes, body_axes : ndarray
        (n, 2) along and across the direction.
    angles : ndarray
        (n,) of nucleus and body alike.
    in_plane : ndarray
        (n,) whether the nucleus is seen.
    """

    types: NDArray[np.int64]
    nuclei: Floats
    bodies: Floats
    nucleus_axes: Floats
    body_axes: Floats
    angles: Floats
    in_plane: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.types)


@dataclass(frozen=True, slots=True)
class Regions:
    """(h, w) kinds of tissue (0 epithelium, 1 lymphoid, 2 stroma) and direction of the tissue in radians."""

    kinds: NDArray[np.int64]
    directions: FloatArray


def make_regions(rng: np.random.Generator, shape: tuple[int, int], settings: PhantomSettings) -> Regions:
    """Each pixel is of the kind whose smooth field is highest there; directions turn as slowly."""
    scale = settings.region_um / settings.mpp
    evidence = [smooth_field(rng, shape, scale) + bias for bias in (0.1, -0.2, 0.3)]
    across, along = smooth_field(rng, shape, scale), smooth_field(rng, shape, scale)
    directions = 0.5 * np.arctan2(across, along)
    return Regions(np.argmax(evidence, axis=0), directions.astype(np.float32))


def place_cells(
    rng: np.random.Generator, shape: tuple[int, int], regions: Regions, settings: PhantomSettings
) -> Cells:
    """Cells at random places, none closer to another than the mean of their spacings."""
    margin = 10 / settings.mpp
    size = np.array(shape) + 2 * margin
    tightest = min(kind.spacing for kind in CELL_TYPES) / settings.mpp
    places = rng.uniform(0, 1, (int(4 * size.prod() / tightest**2) + 1, 2)) * size - margin
    row, column = np.clip(places.astype(int), 0, np.array(shape) - 1).T
    kind, direction = regions.kinds[row, column], regions.directions[row, column].astype(float)
    types = (rng.random(len(places))[:, None] > _MIXTURE[kind].cumsum(1)).sum(1).clip(0, 3)
    spacing = _of_type(types, "spacing") / settings.mpp / np.sqrt(settings.density)
    kept = _kept(places, spacing)
    kept = kept[rng.random(len(kept)) >= np.array(_FREE)[kind[kept]]]
    return _shaped(rng, places[kept], types[kept], direction[kept], settings)


def _of_type(types: NDArray[np.int64], name: str) -> Floats:
    values: Floats = np.array([getattr(kind, name) for kind in CELL_TYPES], dtype=float)[types]
    return values


def _kept(places: Floats, spacing: Floats) -> NDArray[np.int64]:
    """Indices of the places that remain when each, in order, is refused by earlier ones too close."""
    tree = cKDTree(places)
    pairs = tree.query_pairs(float(spacing.max()), output_type="ndarray")
    distance = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
    close = pairs[distance < spacing[pairs].mean(1)]
    close = close[np.argsort(close[:, 0], kind="stable")]
    starts = np.searchsorted(close[:, 0], np.arange(len(places) + 1))
    free = np.ones(len(places), dtype=bool)
    for i in range(len(places)):
        if free[i]:
            free[close[starts[i] : starts[i + 1], 1]] = False
    return np.flatnonzero(free)


def _shaped(
    rng: np.random.Generator,
    places: Floats,
    types: NDArray[np.int64],
    direction: Floats,
    settings: PhantomSettings,
) -> Cells:
    n = len(places)
    loose: Any = np.array([0.5, 1.5, 0.2, 1.0])[types]
    angles = direction + loose * rng.standard_normal(n)
    nucleus = _of_type(types, "nucleus") * np.exp(0.1 * rng.standard_normal((n, 2))) / settings.mpp
    chance = np.exp(settings.hidden_spread * rng.standard_normal((n, 1)))
    reach = _of_type(types, "reach") * chance / settings.mpp
    # off the middle of the body, inside an ellipse, so that the nucleus stays within it
    turn, radius = rng.uniform(0, 2 * np.pi, n), settings.eccentricity * np.sqrt(rng.random(n))
    off = reach * np.stack([np.cos(turn), np.sin(turn)], 1) * radius[:, None]
    along, across = (
        np.stack([np.cos(angles), np.sin(angles)], 1),
        np.stack([-np.sin(angles), np.cos(angles)], 1),
    )
    bodies = places + off[:, :1] * along + off[:, 1:] * across
    seen = rng.random(n) >= settings.out_of_plane
    return Cells(types, places, bodies, nucleus, nucleus + reach, angles, seen)
