"""The evidence of a mask that was opened from a file: its image is segmented again, as the record says.

A file holds the decision, not what it was made from. The record names model, settings and image by their
hashes, so the same network gives the same evidence again, and Refine can go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_construct.data.rgb import Shown
from napari_construct.events import Event, Steps
from napari_construct.exceptions import InputError
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.jobs import predictors
from napari_construct.widgets.jobs.predictors import DecidedSteps, LoadedModel
from napari_construct.widgets.layers import (
    METADATA_KEY,
    Decided,
    Plane,
    evidences,
    is_source,
    label_features,
    layer_shape,
    plane_at,
)
from napari_construct.widgets.parts.known_models import own_paths
from napari_construct.widgets.parts.recorded_model import recorded_model_steps

AGREEMENT: Final = 0.999
"""Share of equal pixels from which two masks are the same but for rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class AgainRequest:
    """What is needed to make the evidence of a mask again.

    Attributes
    ----------
    record : mapping
        Of the mask.
    labels : ndarray
        (h, w) uint8: the mask as it is now.
    planes : tuple of Plane
        Images that may be the one that was segmented.
    models : LoadedModel
        Loads the model.
    decided_steps : callable
        Segments.
    own_models : tuple of str
        Paths of the user's own models.
    """

    record: Mapping[str, Any]
    labels: NDArray[np.uint8]
    planes: tuple[Plane, ...]
    models: LoadedModel
    decided_steps: DecidedSteps
    own_models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Again:
    """The evidence, and the share of pixels whose label is as the mask has it."""

    decided: Decided
    agreement: float

    def text(self) -> str:
        """What a person has to know about it."""
        if self.agreement >= AGREEMENT:
            return "The mask can be refined: segmented again, it is the same."
        other = 100 * (1 - self.agreement)
        return (
            f"The mask can be refined. {other:.1f} % of its pixels are not as the network labels them: they "
            "count as painted by hand, and are kept."
        )


def can_be_prepared(layer: Any) -> bool:
    """Whether a layer is a mask of one image with a record, and nothing but its evidence is missing."""
    known = layer.metadata.get(METADATA_KEY, {}) if isinstance(layer, Labels) else {}
    record = known.get("record", {})
    named = all(isinstance(record.get(part), Mapping) for part in ("model", "settings", "input"))
    named = named and "mpp_of_rows_and_columns" not in record["input"]  # of a whole slide
    plain = isinstance(getattr(layer, "data", None), np.ndarray) and layer.ndim == 2
    return known.get("kind") == "labels" and named and plain and not evidences(layer)


def seconds(layer: Labels) -> float | None:
    """How long it took the first time."""
    times = layer.metadata[METADATA_KEY]["record"].get("times")
    taken = [times.get(part) for part in ("network_seconds", "finish_seconds")] if times else []
    known = [float(t) for t in taken if isinstance(t, int | float)]
    return sum(known) if known else None


def again_request(layer: Labels, layers: Sequence[Any]) -> AgainRequest:
    """The request of a mask, with the images of a viewer that have its size."""
    sources = [one for one in layers if is_source(one) and layer_shape(one)[-2:] == layer.data.shape]
    planes = tuple(plane_at(one, (0,) * (len(layer_shape(one)) - 2)) for one in sources)
    models = LoadedModel(predictors.load_model)
    record = layer.metadata[METADATA_KEY]["record"]
    labels = layer.data.copy()
    return AgainRequest(record, labels, planes, models, predictors.decided_steps, tuple(own_paths()))


def again_job(request: AgainRequest) -> Steps[Again]:
    """Find image and model by their hashes, segment again, and compare.

    Raises
    ------
    InputError
        If the image is not open, the model is not on this computer, or the record is damaged.
    """
    yield Event("looking for image and model", 0, 1)
    plane, shown = _image(request)
    model = yield from recorded_model_steps(request.record, request.own_models, "mask")
    try:
        settings = SegmentSettings.model_validate(request.record["settings"])
        mpp = request.record["input"].get("mpp")
        settings = settings.changed(mpp=mpp) if settings.mpp is None and plane.mpp != mpp else settings
    except (ValidationError, ValueError, TypeError) as error:
        raise InputError("expected the settings of a segmentation in the record; segment again") from error
    yield Event("loading the model", 0, 1)
    predictor = request.models.get(model, "auto")
    result, decider = yield from request.decided_steps(
        shown.rgb, predictor, settings, mpp=mpp, name=plane.name, valid=shown.valid
    )
    if decider is None:
        raise InputError(f"{plane.name}: expected a model whose masks can be refined; segment again")
    decided = Decided.of_run(result, decider, settings, plane, model, label_features(result))
    return Again(decided, float(np.mean(result.labels == request.labels)))


def _image(request: AgainRequest) -> tuple[Plane, Shown]:
    """The image that was segmented, and its pixels, which are read once."""
    from napari_construct.inference.decision.record import image_hash

    wanted = request.record["input"].get("sha256")
    for plane in request.planes:
        shown = plane.rgb()
        if image_hash(shown.rgb) == wanted:
            return plane, shown
    name = request.record["input"].get("name", "the image")
    raise InputError(
        f"expected the image of this mask ({name}) in the list of layers, got none; open it first"
    )
