"""Calibration: from logits to probabilities and presence, fitted on validation data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool

from napari_construct.settings import Settings

ViewsName = Literal["one", "four", "six"]
"""Of :data:`napari_construct.refinement.views.VIEWS`."""

_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""Finite, and no text or truth value that could be taken for a number."""


class BackgroundRule(Settings):
    """Glass and white tissue: pixels too bright and too pale to be stained.

    A pixel is white where, after a Gaussian blur of ``sigma`` pixels, every RGB channel is at
    least ``brightness`` and the channels differ by at most ``chroma`` (grey levels, 0 to 255).
    A connected white area of at least ``min_area`` pixels, or a quarter of the image, is background; a
    smaller one (lumen, fat cell, crack) belongs to the tissue around it. 0 makes all white background.
    """

    OLD_NAMES: ClassVar[Mapping[str, str]] = {"smallest": "min_area"}

    enabled: StrictBool = True
    brightness: Annotated[_Number, Field(ge=0, le=255)] = 220.0
    chroma: Annotated[_Number, Field(ge=0, le=255)] = 20.0
    sigma: Annotated[_Number, Field(ge=0, le=50)] = 2.0
    min_area: Annotated[_Number, Field(ge=0, le=1e12)] = 50_000.0


class Calibration(Settings):
    """Fitted after training and stored in the checkpoint.

    Parameters
    ----------
    temperature : float
        CAM logits are divided by it before the softmax over classes.
    class_offsets : tuple of float
        Per class, added to the CAM logits after the temperature, before the softmax over classes; none
        while it is empty. Fitted on slides left out of training, where a model tends to favour the class with
        the more varied training patches.
    presence_thresholds : tuple of float
        Per class, the image-level probability from which it is present; 0.5 for every class if empty.
    background : BackgroundRule
        Rule that finds background.
    crf : bool
        Whether the dense CRF is used by default; chosen on images with masks.
    views : {"one", "four", "six"}
        Views that are averaged by default; chosen on images with masks.
    """

    temperature: Annotated[_Number, Field(gt=0, le=1000)] = 1.0
    class_offsets: tuple[Annotated[_Number, Field(ge=-100, le=100)], ...] = ()
    presence_thresholds: tuple[Annotated[_Number, Field(ge=0, le=1)], ...] = ()
    background: BackgroundRule = BackgroundRule()
    crf: StrictBool = True
    views: ViewsName = "one"
