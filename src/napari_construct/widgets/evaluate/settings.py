"""Settings of an evaluation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from napari_construct.inference.settings import SegmentSettings, with_device_of_segment
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.settings import Settings


class EvaluateSettings(Settings):
    """Settings of an evaluation of layers or folders.

    Parameters
    ----------
    mode : {"layers", "folders"}
        A labels layer against another one, or a model on images with masks.
    ignore : tuple of int
        Values of the ground truth to leave out.
    first_class : {0, 1}
        Value of the first class in the layer of the ground truth: 1 if 0 is unlabelled, as in the plugin's
        layers; 0 as in mask files. Masks in folders always start at 0.
    model : str
        Name of a model, or path of a checkpoint; for folders.
    segment : SegmentSettings
        Settings of the segmentation; for folders.
    device : str
        Device of the model; for folders.
    """

    mode: Literal["layers", "folders"] = "layers"
    ignore: tuple[Annotated[int, Field(ge=0, le=255)], ...] = ()
    first_class: Literal[0, 1] = 1
    model: str = DEFAULT_MODEL
    segment: SegmentSettings = SegmentSettings()
    device: str = "auto"

    @model_validator(mode="before")
    @classmethod
    def _stored_with_device(cls, fields: Any) -> Any:
        return with_device_of_segment(fields)
