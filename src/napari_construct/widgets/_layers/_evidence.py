"""What a mask was decided from hangs on its layer: no registry, and it goes when the layer goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from napari.layers import Labels

from napari_construct.widgets._layers._keys import METADATA_KEY
from napari_construct.widgets._layers._plane import Plane

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
    model : str
        Name or path of the model.
    """

    activation: Any
    predictor: Any
    settings: Any
    plane: Plane
    model: str

    def __deepcopy__(self, memo: dict[int, Any]) -> Decided:
        return self  # nothing in it changes; a duplicated layer shares it


def keep_evidence(layer: Labels, decided: Decided) -> None:
    """Attach to a mask what it was decided from; it goes when the layer goes."""
    layer.metadata[METADATA_KEY][_EVIDENCE] = decided


def evidence(layer: Any) -> Decided | None:
    """What a mask of Segment tissue was decided from; None for every other layer."""
    known = layer.metadata.get(METADATA_KEY, {}) if isinstance(layer, Labels) else {}
    return known.get(_EVIDENCE) if known.get("kind") == "labels" else None
