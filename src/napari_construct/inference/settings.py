"""Settings of one segmentation; widget, command line and Python use the same object."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from napari_construct.crf import CRFParameters
from napari_construct.models.network.calibration import BackgroundRule, ViewsName
from napari_construct.settings import Settings


class SegmentSettings(Settings):
    """Settings of one segmentation.

    Parameters
    ----------
    classes : tuple of str or None
        Classes present in the image ("oracle labels"); None predicts presence.
    views : {"one", "four", "six"} or None
        Views of the image that are averaged; time grows with their number. Four are its quarter turns; six
        are the published mirror images at brightness 0.9, 1.0, 1.1. None takes the number that the model's
        calibration found best, for most models one.
    tile : int
        Side of a square tile in pixels at the model's resolution.
    overlap : int
        Pixels that neighbouring tiles share and blend; at most half of a tile.
    mpp : float or None
        Micrometres per pixel of the image; None takes that of the file or layer, if known.
    crf : CRFParameters, "auto" or None
        Dense CRF refinement; None leaves the mask unrefined. "auto" follows the model's calibration: the
        paper's CRF for most models, none for second-stage networks and for models that are better without it.
    min_confidence : float
        Pixels whose largest probability is below it stay unlabelled (0); 0 labels every pixel.
    protect_confidence : float or None
        Connected regions of at least 16 pixels whose class had this probability before the CRF keep their
        class; None protects none. Probabilities of the published preset stay below 0.41.
    presence_threshold : float or None
        Image-level probability from which a class is present; None takes the model's own thresholds, one per
        class. Without effect if ``classes`` are given.
    background : BackgroundRule or None
        Rule for glass; None takes the model's.
    background_exponent : float
        Exponent of the background's activation; only models of the published preset have one.

    Notes
    -----
    The device is chosen when a model is loaded (:func:`~napari_construct.load_model`). Settings stored with a
    ``device`` can still be read; a warning says that it has no effect.
    """

    classes: tuple[str, ...] | None = None
    views: ViewsName | None = None
    tile: Annotated[int, Field(ge=64, le=4096)] = 512
    overlap: Annotated[int, Field(ge=0, le=1024)] = 64
    mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    crf: CRFParameters | Literal["auto"] | None = "auto"
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    protect_confidence: Annotated[float, Field(gt=0, le=1)] | None = None
    presence_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    background: BackgroundRule | None = None
    background_exponent: Annotated[float, Field(ge=0.1, le=100)] = 10.0

    @model_validator(mode="before")
    @classmethod
    def _stored_with_device(cls, fields: Any) -> Any:
        return without_device(fields, cls.__name__)

    @model_validator(mode="after")
    def _tiles_outgrow_overlap(self) -> SegmentSettings:
        if 2 * self.overlap > self.tile:
            raise ValueError(
                f"expected an overlap of at most half of the tile, got {self.overlap} and {self.tile} "
                f"pixels; take an overlap of {self.tile // 2} or less, or tiles of {2 * self.overlap} or more"
            )
        return self

    def resolved(self, *, uses_crf: bool) -> SegmentSettings:
        """Settings with ``crf`` "auto" replaced, for a model that uses the CRF or does not."""
        if self.crf != "auto":
            return self
        return self.changed(crf=CRFParameters() if uses_crf else None)


def without_device(fields: Any, settings: str) -> Any:
    """Fields of stored settings without ``device``, which once was one of them; warns unless it was "auto".

    Parameters
    ----------
    fields : mapping
        Names and values; anything else is passed on.
    settings : str
        Name of the settings, for the warning.
    """
    if not isinstance(fields, Mapping) or "device" not in fields:
        return fields
    if fields["device"] != "auto":
        warnings.warn(
            f"{settings}: device is no longer a setting and has no effect, got {fields['device']!r}; "
            "choose the device when you load the model: load_model(model, device=...)",
            FutureWarning,
            stacklevel=2,
        )
    return {name: value for name, value in fields.items() if name != "device"}


def with_device_of_segment(fields: Any) -> Any:
    """Fields of settings that hold ``segment``, with ``device`` moved out of it."""
    segment = fields.get("segment") if isinstance(fields, Mapping) else None
    if not isinstance(segment, Mapping) or "device" not in segment:
        return fields
    rest = {name: value for name, value in segment.items() if name != "device"}
    return {"device": segment["device"], **fields, "segment": rest}
