"""Placement of layers: a new layer on a plane or on another layer, and the pixel size."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from napari.utils.transforms import Affine

from napari_construct.data.resolution import plausible

METADATA_KEY: Final = "napari_construct"
"""Key of the plugin's entry in a layer's metadata."""

CELLS: Final = "cells"
"""Kind of a layer of numbered cells."""

TISSUE: Final = "tissue"
"""Kind of a layer of the tissue found on a slide."""

STROKES: Final = "strokes"
"""Kind of a layer of painted examples of classes."""

NO_MASKS: Final = frozenset({"errors", "prototypes", "teacher", CELLS, STROKES, TISSUE})
"""Kinds of labels of this plugin whose values are no classes of tissue."""

Window = tuple[slice, slice]
"""Rows and columns of a region; both have a start and a stop."""

PLACEMENT: Final = ("scale", "rotate", "shear", "translate", "units", "axis_labels")
"""What places a layer, beside its affine transform."""


def placement_of(layer: Any, index: tuple[int, ...], window: Window | None) -> dict[str, Any]:
    """Keyword arguments that place a new layer on a plane of another, or on a region of it."""
    placement = twin_placement(layer)
    affine = placement["affine"]
    # world = affine . (translate + rotate . shear . scale . data): move the origin to the plane
    start = np.zeros(layer.ndim)
    start[: len(index)] = index
    if window is not None:
        start[-2:] = [part.start for part in window]
    moved = np.asarray(layer.data_to_world(start)) - np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
    placement["translate"] = placement["translate"] + np.linalg.solve(affine[:-1, :-1], moved)
    return placement


def coarser(
    placement: dict[str, Any], steps: tuple[float, float], start: tuple[int, int] = (0, 0)
) -> dict[str, Any]:
    """The placement of a layer whose pixels are so many rows and columns of another's, from a pixel of it."""
    n = len(placement["scale"])
    factors, shift = np.ones(n), np.zeros(n)
    factors[-2:] = steps
    shift[-2:] = np.asarray(start) + (np.asarray(steps) - 1) / 2  # napari places the middles of pixels
    linear = Affine(
        scale=placement["scale"], rotate=placement["rotate"], shear=placement["shear"]
    ).linear_matrix
    moved = np.asarray(placement["translate"]) + linear @ shift
    return {**placement, "scale": np.asarray(placement["scale"]) * factors, "translate": moved}


def without_first_axis(placement: dict[str, Any]) -> dict[str, Any] | None:
    """The placement of a layer without its first axis; None where that axis is turned or sheared into others.

    napari shows such a layer at every position along the axis.
    """
    n = len(placement["scale"])
    affine, rotate = np.asarray(placement["affine"]), np.asarray(placement["rotate"])
    shear = np.eye(n)
    given = np.asarray(placement["shear"])
    if given.ndim == 2:
        shear = given
    else:
        shear[np.triu_indices(n, 1)] = given
    for matrix in (affine[:-1, :-1], rotate, shear):
        if np.any(np.abs(matrix[0, 1:]) > 1e-9) or np.any(np.abs(matrix[1:, 0]) > 1e-9):
            return None
    found = {
        name: value[1:] for name, value in placement.items() if name not in ("affine", "rotate", "shear")
    }
    lower = shear[1:, 1:]
    return found | {
        "affine": affine[1:, 1:],
        "rotate": rotate[1:, 1:],
        "shear": lower if given.ndim == 2 else lower[np.triu_indices(n - 1, 1)],
    }


def twin_placement(layer: Any) -> dict[str, Any]:
    """Keyword arguments that place a new layer of the same shape exactly on ``layer``."""
    placement = {name: getattr(layer, name) for name in PLACEMENT if hasattr(layer, name)}
    placement["affine"] = np.array(layer.affine.affine_matrix)
    return {key: np.array(v) if isinstance(v, np.ndarray) else v for key, v in placement.items()}


def has_lengths(layer: Any) -> bool:
    """Whether the units of a layer's rows and columns are lengths."""
    units = tuple(getattr(layer, "units", ()))[-2:]
    return len(units) == 2 and all(_micrometres(unit) is not None for unit in units)


def micrometres_per_pixel(layer: Any) -> float | None:
    """Pixel size from a layer's scale and units; None if the units are pixels or the size is implausible.

    If rows and columns differ, their geometric mean.
    """
    factors = [_micrometres(unit) for unit in getattr(layer, "units", ())]
    if len(factors) < 2 or None in factors[-2:]:
        return None
    per_axis = np.array([f or 0.0 for f in factors])
    origin = np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
    sides = []
    for axis in (-2, -1):
        step = np.zeros(layer.ndim)
        step[axis] = 1.0
        sides.append(float(np.linalg.norm((np.asarray(layer.data_to_world(step)) - origin) * per_axis)))
    return plausible(float(np.sqrt(sides[0] * sides[1])))


def camera(viewer: Any) -> Any:
    """The camera of a viewer; napari 0.9 moved it into the scene."""
    return getattr(viewer, "scene", viewer).camera


def _micrometres(unit: Any) -> float | None:
    """A pint unit in micrometres; None if it is no length."""
    if str(getattr(unit, "dimensionality", "")) != "[length]":
        return None
    return float((1 * unit).to("micrometer").magnitude)
