"""What a user chooses for a batch: the same object behind widget, command line and Python."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from napari_construct.inference.settings import SegmentSettings

Output: TypeAlias = Literal["mask", "overlay", "cams", "zarr"]

OUTPUTS: tuple[Output, ...] = ("mask", "overlay", "cams", "zarr")


class BatchSettings(BaseModel):
    """Settings of a batch.

    Parameters
    ----------
    model : str
        Name of a bundled model, or path of a checkpoint.
    segment : SegmentSettings
        Of every image.
    outputs : tuple of str
        What is written beside the record of each image: "mask" (TIFF; of a stack also one TIFF of all
        planes), "overlay" (PNG), "cams" (OME-TIFF), "zarr" (OME-Zarr with image and labels).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Annotated[str, Field(min_length=1)] = "lymph-node"
    segment: SegmentSettings = SegmentSettings()
    outputs: Annotated[tuple[Output, ...], Field(min_length=1)] = ("mask", "overlay")

    @field_validator("outputs")
    @classmethod
    def _in_order(cls, outputs: tuple[Output, ...]) -> tuple[Output, ...]:
        return tuple(kind for kind in OUTPUTS if kind in outputs)  # order has no meaning
