"""Settings of a batch; widget, command line and Python use the same object."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.settings import SegmentSettings, with_device_of_segment
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.settings import Settings

Output: TypeAlias = Literal["mask", "overlay", "cams", "zarr", "ood", "cells", "table", "boundary"]

OUTPUTS: tuple[Output, ...] = ("mask", "overlay", "cams", "zarr", "ood", "cells", "table", "boundary")

OF_CLASSES: tuple[Output, ...] = ("mask", "overlay", "cams", "zarr", "ood")
"""What a model of stained sections can write."""
OF_CELLS: tuple[Output, ...] = ("mask", "overlay", "cams", "zarr", "cells", "table", "boundary")
"""What a student on one channel can write."""
USUAL_OF_CELLS: tuple[Output, ...] = ("mask", "cams", "cells", "table")
"""What it writes by default."""


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
        distances from the training patches, of models with a guard). Of a student on one channel also "cells"
        (TIFF of their numbers), "table" (CSV, a row for each cell; of all images together in
        ``batch_cells.csv``) and "boundary" (OME-TIFF; with "cams", cells can be decided again). A whole slide
        always gets its label pyramid (OME-Zarr), overlay and table of areas, and of these "cams" and "ood".
    cells : CellSettings
        Channel and thresholds, with a student on one channel; ``segment`` then means nothing.
    """

    model: Annotated[str, Field(min_length=1)] = DEFAULT_MODEL
    segment: SegmentSettings = SegmentSettings()
    device: str = "auto"
    outputs: Annotated[tuple[Output, ...], Field(min_length=1)] = ("mask", "overlay")
    cells: CellSettings = CellSettings()

    @model_validator(mode="before")
    @classmethod
    def _stored_with_device(cls, fields: Any) -> Any:
        return with_device_of_segment(fields)

    @field_validator("outputs")
    @classmethod
    def _in_order(cls, outputs: tuple[Output, ...]) -> tuple[Output, ...]:
        return tuple(kind for kind in OUTPUTS if kind in outputs)  # order has no meaning

    def for_student(self) -> BatchSettings:
        """The settings with a student's usual outputs, where none were chosen."""
        return self if "outputs" in self.model_fields_set else self.changed(outputs=USUAL_OF_CELLS)
