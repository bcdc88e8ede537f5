"""Where a result came from, and whether the user has touched it; a rerun replaces what is untouched."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_construct.widgets.layers.place import METADATA_KEY, PLACEMENT

MASK: Final = "mask"
CLASS_MAP: Final = "class map"
DISTANCE_MAP: Final = "distance map"
REFINED: Final = "refined"
"""Kinds of :class:`Origin`; maps lie below their mask."""

_ORIGIN: Final = "origin"
_MADE: Final = "made"
_TOUCHED: Final = "touched"


@dataclass(frozen=True, slots=True, eq=True)
class Origin:
    """What a result was made from. Results of one origin are results of the same run, repeated.

    Attributes
    ----------
    kind : str
        Such as "mask".
    image : hashable
        ``unique_id`` of the layer that was looked at.
    place : object
        Plane, region or whatever else of the layer was looked at; compared with ``==``.
    model : object
        The model; compared with ``==``.
    part : str
        Which of several results of one run, such as the class of a class map.
    """

    kind: str
    image: Hashable
    place: object = None
    model: object = None
    part: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> Origin:
        return self


def mark(layer: Layer, origin: Origin, *, stays: bool = False) -> None:
    """Note where a result came from, and what it is like while nobody has touched it.

    With ``stays`` no rerun takes its place. A result that its own dock has changed is marked again.
    """
    known = layer.metadata.setdefault(METADATA_KEY, {})
    known[_ORIGIN] = origin
    if not stays:
        known[_MADE] = _fingerprint(layer)


def origin_of(layer: Any) -> Origin | None:
    """Where a layer came from; None for layers of others and of former sessions."""
    return layer.metadata.get(METADATA_KEY, {}).get(_ORIGIN)


def touch(layer: Layer) -> None:
    """Keep a result from being replaced, also where its pixels are as they were made."""
    layer.metadata.get(METADATA_KEY, {})[_TOUCHED] = True


def is_untouched(layer: Layer) -> bool:
    """Whether a result is as it was made: its pixels, name, table and place.

    How it looks (colours, opacity, visibility) does not count: a rerun keeps that.
    """
    known = layer.metadata.get(METADATA_KEY, {})
    made = known.get(_MADE)
    return made is not None and not known.get(_TOUCHED) and bool(made == _fingerprint(layer))


def show(viewer: Any, layer: Layer) -> Layer:
    """Add a result to a viewer, or bring it into the untouched one that it repeats; the layer on view."""
    former = _repeated(viewer.layers, layer)
    if former is None:
        viewer.layers.insert(_position(viewer.layers, layer), layer)
        known = layer.metadata.get(METADATA_KEY, {})
        if _MADE in known:  # napari may have numbered its name; its pixels are not read again
            known[_MADE] = (layer.name, *known[_MADE][1:])
        return layer
    take_over(former, layer)
    return former


def _repeated(layers: Iterable[Layer], new: Layer) -> Layer | None:
    origin = origin_of(new)
    if origin is None:
        return None
    return next((one for one in layers if origin_of(one) == origin and is_untouched(one)), None)


def _position(layers: Sequence[Layer], new: Layer) -> int:
    """Where a new layer belongs: on top, maps below their mask."""
    origin = origin_of(new)
    if origin is not None and origin.kind in (CLASS_MAP, DISTANCE_MAP):
        mask = replace(origin, kind=MASK, part="")
        return next((i for i, one in enumerate(layers) if origin_of(one) == mask), len(layers))
    return len(layers)


def take_over(former: Layer, new: Layer) -> None:
    """Give a layer the data, name, place, table and record of another; it looks as the user left it."""
    known, made = former.metadata.get(METADATA_KEY, {}), new.metadata[METADATA_KEY]
    if isinstance(former, Labels) and former.editable:
        mode = former.mode
        former.editable = False  # napari then forgets the strokes that were undone on the former data
        former.editable = True
        former.mode = mode
    former.data = new.data
    former.name = new.name
    for name in (*PLACEMENT, "affine"):
        if hasattr(former, name):
            setattr(former, name, getattr(new, name))
    if isinstance(new, Labels):
        former.features = new.features
        if known.get("classes") != made.get("classes"):
            former.colormap = new.colormap
    former.metadata = {**former.metadata, METADATA_KEY: dict(made)}
    former.metadata[METADATA_KEY][_MADE] = _fingerprint(former)


def _fingerprint(layer: Any) -> tuple[object, ...]:
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    pixels = zlib.crc32(np.ascontiguousarray(data).data) if isinstance(data, np.ndarray) else id(data)
    place = tuple(
        np.asarray(getattr(layer, name)).tobytes() for name in ("scale", "translate", "rotate", "shear")
    )
    table = (
        layer.features.to_csv() if isinstance(layer, Labels | Image) and hasattr(layer, "features") else ""
    )
    return layer.name, pixels, place, np.asarray(layer.affine.affine_matrix).tobytes(), table
