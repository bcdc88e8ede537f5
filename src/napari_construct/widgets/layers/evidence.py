"""The evidence of a mask (activation, predictor, settings), kept in the metadata of its layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Labels

from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.results.result import SegmentationResult
from napari_construct.types import LabelImage
from napari_construct.widgets.layers.place import METADATA_KEY
from napari_construct.widgets.layers.plane import Plane

if TYPE_CHECKING:
    from napari_construct.inference.activation.activation import Activation
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.inference.decision.decider import Decider

_EVIDENCE: Final = "decided"


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """The evidence of one plane of a mask; other settings can be tried on it without the network.

    Attributes
    ----------
    activation : Activation
        Output of the network.
    predictor : Predictor
        The predictor without its network.
    settings : SegmentSettings
        Settings of the mask.
    plane : Plane
        Place of the mask.
    model : str or ZeroShotSettings
        Name or path of the model, or encoder and texts of a model without training.
    labels : ndarray
        (h, w) uint8: the mask as segmented, a copy that is never painted on.
    at : tuple of int
        Plane of the mask's array: one index for each axis before rows and columns.
    features : mapping
        Rows of this plane in the mask's table.
    record : mapping
        Record of this plane.
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

    @classmethod
    def of_run(
        cls,
        result: SegmentationResult,
        decider: Decider,
        settings: SegmentSettings,
        plane: Plane,
        model: str | ZeroShotSettings,
        features: Mapping[str, Any],
        at: tuple[int, ...] = (),
    ) -> Decided:
        """The evidence of a plane that was just segmented; ``features`` are its rows in the mask's table."""
        return cls(
            decider.activation,
            decider.predictor.without_network(),
            decider.predictor.resolved(settings),
            plane,
            model,
            result.labels.copy(),  # the layer paints in the result's own
            at,
            features,
            result.record,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Decided:
        return self  # it is never changed; a duplicated layer shares it


def keep_evidence(layer: Labels, decided: Decided | Sequence[Decided]) -> None:
    """Attach the evidence of all planes to a mask; it lives as long as the layer."""
    planes = (decided,) if isinstance(decided, Decided) else tuple(decided)
    layer.metadata[METADATA_KEY][_EVIDENCE] = planes


def evidences(layer: Any) -> tuple[Decided, ...]:
    """The evidence of all planes of a mask of Segment; empty for other layers."""
    known = layer.metadata.get(METADATA_KEY, {}) if isinstance(layer, Labels) else {}
    return known.get(_EVIDENCE, ()) if known.get("kind") == "labels" else ()


def evidence(layer: Any, point: tuple[float, ...] | None = None) -> Decided | None:
    """The evidence of the plane at a position in the viewer, or of the first plane.

    None for layers that are no mask of Segment.
    """
    planes = evidences(layer)
    if not planes or point is None or len(planes) == 1:
        return planes[0] if planes else None
    here = np.rint(np.asarray(layer.world_to_data(point))[-layer.ndim : -2]).astype(int)
    here = np.clip(here, 0, np.array(layer.data.shape[:-2]) - 1)
    found = [decided for decided in planes if decided.at == tuple(int(i) for i in here)]
    return found[0] if found else None
