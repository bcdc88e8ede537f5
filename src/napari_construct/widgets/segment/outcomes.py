"""The masks of an image among a viewer's layers, and what the runs that made them found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from napari.layers import Layer

from napari_construct.widgets.jobs.predictors import ModelChoice
from napari_construct.widgets.layers import (
    CLASS_MAP,
    MASK,
    PlaneOutcome,
    data_point,
    is_untouched,
    origin_of,
    outcome_of,
)


def mask_of(layers: Iterable[Layer], image: Any, model: ModelChoice, viewer: Any) -> Any:
    """The newest mask that a model made of an image, before others one of the plane on view; None without."""
    masks = []
    for layer in layers:
        origin, outcome = origin_of(layer), outcome_of(layer)
        if origin is None or outcome is None or origin.kind != MASK:
            continue
        if origin.image == image.unique_id and origin.model == model:
            masks.append((plane_of(layer, viewer) is not None, outcome.number, layer))
    return max(masks, key=lambda mask: mask[:2])[2] if masks else None


def plane_of(mask: Any, viewer: Any) -> PlaneOutcome | None:
    """The plane of a mask that is on view; None where none is."""
    outcome = outcome_of(mask)
    if outcome is None:
        return None
    here = np.rint(data_point(mask, viewer.dims.point, viewer.layers)[:-2]).astype(int)
    return outcome.plane(tuple(int(i) for i in here))


def class_maps_of(layers: Iterable[Layer], image: Any) -> list[Layer]:
    """The class maps of an image that nobody has touched."""
    found = []
    for layer in layers:
        origin = origin_of(layer)
        if origin is not None and origin.kind == CLASS_MAP and origin.image == image.unique_id:
            found.append(layer)
    return [layer for layer in found if is_untouched(layer)]
