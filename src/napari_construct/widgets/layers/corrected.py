"""Pixels of a mask that the user painted: where the layer differs from what the model decided."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_construct.types import LabelImage
from napari_construct.widgets.layers.colours import label_colormap
from napari_construct.widgets.layers.evidence import Decided, evidences
from napari_construct.widgets.layers.place import METADATA_KEY, twin_placement

_PAINTED: Final = "painted"

At = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CorrectedPlane:
    """A plane of a mask that the user painted on.

    Attributes
    ----------
    decided : Decided
        What the plane was decided from, with its image and its model.
    painted : ndarray
        (h, w) uint8, the label of every painted pixel, 0 elsewhere. An erased pixel is 0, too: it says what
        is wrong, but no class.
    """

    decided: Decided
    painted: LabelImage


class _Refined:
    """What a refined mask knows; a duplicated layer shares it, and it keeps no widget alive."""

    def __init__(
        self, planes: tuple[Decided, ...], painted: Callable[[At], NDArray[np.bool_]] | None
    ) -> None:
        self.planes, self._painted = planes, None if painted is None else weakref.WeakMethod(painted)

    def where(self, decided: Decided, labels: NDArray[Any]) -> NDArray[np.bool_] | None:
        """(h, w) painted pixels; None where nobody knows them any more."""
        if self._painted is None:
            return labels > 0
        asked = self._painted()
        return None if asked is None else asked(decided.at)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Refined:
        return self


def keep_painted(
    layer: Labels, planes: Sequence[Decided], painted: Callable[[At], NDArray[np.bool_]] | None
) -> None:
    """Note who knows the painted pixels of a mask whose labels change without the user.

    Parameters
    ----------
    layer : Labels
        The mask.
    planes : sequence of Decided
        What its planes were decided from.
    painted : bound method
        From the index of a plane to its painted pixels (h, w); its object is not kept alive. None of a layer
        that began empty: all of its labels are painted.
    """
    layer.metadata[METADATA_KEY][_PAINTED] = _Refined(tuple(planes), painted)


def corrected_planes(layer: Any) -> tuple[CorrectedPlane, ...]:
    """The planes of a mask that the user painted on; empty for other layers."""
    known = layer.metadata.get(METADATA_KEY, {}).get(_PAINTED) if isinstance(layer, Labels) else None
    planes = evidences(layer) if known is None else known.planes
    found = []
    for decided in planes:
        labels = _plane(layer, decided)
        if labels is None:
            continue
        where = labels != decided.labels if known is None else known.where(decided, labels)
        if where is None:
            continue
        painted = np.where(where, labels, 0).astype(np.uint8)
        if painted.any():
            found.append(CorrectedPlane(decided, painted))
    return tuple(found)


def _plane(layer: Labels, decided: Decided) -> NDArray[Any] | None:
    data = layer.data
    if isinstance(data, list | tuple) or layer.multiscale or data.ndim != len(decided.at) + 2:
        return None
    labels = np.asarray(data[decided.at])
    return labels if labels.shape == decided.labels.shape else None


def corrections_layer(mask: Labels) -> Labels:
    """An empty layer on a mask, whose labels are all corrections: also where the mask is right already.

    Parameters
    ----------
    mask : Labels
        A mask of Segment with what it was decided from.
    """
    planes = evidences(mask)
    table = planes[0].predictor.classes
    layer = Labels(
        np.zeros(mask.data.shape, np.uint8),
        name=f"{mask.name} corrections",
        colormap=label_colormap(table),
        metadata={METADATA_KEY: {"kind": "corrections", "classes": table.names}},
        **twin_placement(mask),
    )
    keep_painted(layer, planes, None)
    return layer
