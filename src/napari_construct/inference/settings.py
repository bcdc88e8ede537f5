"""What a user chooses for one segmentation: the same object behind widget, command line and Python."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_construct.crf import CRFParameters
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.calibration import BackgroundRule, ViewsName


class SegmentSettings(BaseModel):
    """Settings of one segmentation.

    Parameters
    ----------
    classes : tuple of str or None
        Names of the classes present in the image ("oracle labels"); None predicts presence.
    views : {"one", "four", "six"} or None
        Views of the image that are averaged, which takes so many times longer: four are its quarter
        turns, six the published mirror images at brightness 0.9, 1.0, 1.1; None takes what the model's
        calibration found best, one for most.
    tile : int
        Side of a square tile in pixels at the model's resolution.
    overlap : int
        Pixels that neighbouring tiles share; blended without seams. At most half of a tile.
    mpp : float or None
        Micrometres per pixel of the image; None takes it from the file or layer where known.
    crf : CRFParameters or None
        Dense CRF refinement; None leaves the mask unrefined.
    min_confidence : float
        Pixels whose winning probability is below it stay unlabelled (0); 0 labels every pixel.
    protect_confidence : float or None
        Connected regions of at least 16 pixels whose class had this probability before the CRF keep it
        after; None lets the CRF decide everywhere. The published preset's probabilities stay under 0.41.
    presence_threshold : float or None
        Image-level probability from which a class counts as present; None takes the model's own
        thresholds, one per class. Without effect where ``classes`` are named.
    background : BackgroundRule or None
        Rule for glass; None takes the model's.
    background_exponent : float
        Exponent of the background's activation; only models of the published preset have one.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps" ...
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[str, ...] | None = None
    views: ViewsName | None = None
    tile: Annotated[int, Field(ge=64, le=4096)] = 512
    overlap: Annotated[int, Field(ge=0, le=1024)] = 64
    mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    crf: CRFParameters | None = CRFParameters()
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    protect_confidence: Annotated[float, Field(gt=0, le=1)] | None = None
    presence_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    background: BackgroundRule | None = None
    background_exponent: Annotated[float, Field(ge=0.1, le=100)] = 10.0
    device: str = "auto"

    @model_validator(mode="after")
    def _tiles_outgrow_overlap(self) -> SegmentSettings:
        if 2 * self.overlap > self.tile:
            raise ValueError(
                f"expected an overlap of at most half of the tile, got {self.overlap} and {self.tile} "
                f"pixels; take an overlap of {self.tile // 2} or less, or tiles of {2 * self.overlap} or more"
            )
        return self

    def changed(self, **changes: Any) -> SegmentSettings:
        """A copy with some fields changed and all of them checked.

        Raises
        ------
        ConfigurationError
            If a field is unknown or out of range; the message names it.
        """
        try:
            return SegmentSettings.model_validate(self.model_dump() | changes)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            if not where:  # settings that contradict each other
                raise ConfigurationError(str(first["ctx"]["error"])) from error
            raise ConfigurationError(
                f"setting {where}: {first['msg']}, got {first['input']!r}; "
                "see SegmentSettings for what is allowed"
            ) from error
