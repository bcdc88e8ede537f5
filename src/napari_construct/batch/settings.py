"""Settings of a batch; widget, command line and Python use the same object."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from napari_construct.inference.settings import SegmentSettings, with_device_of_segment
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.settings import Settings

Output: TypeAlias = Literal["mask", "overlay", "cams", "zarr", "ood"]

OUTPUTS: tuple[Output, ...] = ("mask", "overlay", "cams", "zarr", "ood")


class BatchSettings(Settings):
    """Settings of a batch.

    Parameters
    ----------
    model : str
        Name of a bundled model, or path of a checkpoint.
    segment : SegmentSettings
        Settings of the segmentation of every image.
    device : str
        Device of the model: "auto", "cpu", "cuda", "cuda:1", "mps" ...
    outputs : tuple of str
        Files of each image beside its record: "mask" (TIFF; of a stack also one TIFF of all planes),
        "overlay" (PNG), "cams" (OME-TIFF), "zarr" (OME-Zarr with image and labels), "ood" (OME-TIFF of the
        distances from the training patches, of models with a guard).
    """

    model: Annotated[str, Field(min_length=1)] = DEFAULT_MODEL
    segment: SegmentSettings = SegmentSettings()
    device: str = "auto"
    outputs: Annotated[tuple[Output, ...], Field(min_length=1)] = ("mask", "overlay")

    @model_validator(mode="before")
    @classmethod
    def _stored_with_device(cls, fields: Any) -> Any:
        return with_device_of_segment(fields)

    @field_validator("outputs")
    @classmethod
    def _in_order(cls, outputs: tuple[Output, ...]) -> tuple[Output, ...]:
        return tuple(kind for kind in OUTPUTS if kind in outputs)  # order has no meaning
