"""What a mask was decided from hangs on its layer: no registry, and it goes when the layer goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Labels

from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.types import LabelImage
from napari_construct.widgets.layers.place import METADATA_KEY
from napari_construct.widgets.layers.plane import Plane

if TYPE_CHECKING:
    from napari_construct.inference.activation.activation import Activation
    from napari_construct.inference.activation.predictor import Predictor

_EVIDENCE: Final = "decided"


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """What a mask was decided from, so that other settings can be tried without the network.

    Attributes
    ----------
    activation : Activation
        What the network saw.
    predictor : Predictor
        Without its network.
    settings : SegmentSettings
        Under which the mask was made.
    plane : Plane
        Where it lies.
    model : str or ZeroShotSettings
        Name or path of the model, or what it is without training.
    labels : ndarray
        (h, w) uint8, as decided: an array of its own, in which nobody paints.
    at : tuple of int
        Which plane of the mask's own array this is: one index for each axis before rows and columns.
    features : mapping
        Rows of this plane in the mask's table.
    record : mapping
        Of this plane.
    """

    activation: Activation
    predictor: Predictor
    settings: SegmentSettings
    plane: Plane
    model: str | ZeroShotSettings
    labels: LabelImage
    at: tuple[int, ...] = ()
    features: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)

    def __deepcopy__(self, memo: dict[int, Any]) -> Decided:
        return self  # nothing in it changes; a duplicated layer shares it


def keep_evidence(layer: Labels, decided: Decided | Sequence[Decided]) -> None:
    """Attach to a mask what it was decided from, plane by plane; it goes when the layer goes."""
    planes = (decided,) if isinstance(decided, Decided) else tuple(decided)
    layer.metadata[METADATA_KEY][_EVIDENCE] = planes


def evidences(layer: Any) -> tuple[Decided, ...]:
    """What the planes of a mask of Segment tissue were decided from; none for every other layer."""
    known = layer.metadata.get(METADATA_KEY, {}) if isinstance(layer, Labels) else {}
    return known.get(_EVIDENCE, ()) if known.get("kind") == "labels" else ()


def evidence(layer: Any, point: tuple[float, ...] | None = None) -> Decided | None:
    """What the plane of a mask at a position in the viewer was decided from, or its first plane.

    None for layers that Segment tissue did not make.
    """
    planes = evidences(layer)
    if not planes or point is None or len(planes) == 1:
        return planes[0] if planes else None
    here = np.rint(np.asarray(layer.world_to_data(point))[-layer.ndim : -2]).astype(int)
    here = np.clip(here, 0, np.array(layer.data.shape[:-2]) - 1)
    found = [decided for decided in planes if decided.at == tuple(int(i) for i in here)]
    return found[0] if found else None
