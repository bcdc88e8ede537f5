"""Settings of prototype inspection; widget, command line and Python use the same object."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from napari_construct.inference.settings import without_device
from napari_construct.settings import Settings


class PrototypeSettings(Settings):
    """Settings of similarity maps and of the search for top patches.

    Parameters
    ----------
    prototype : str
        For example "tumour 2", the second prototype of a class; empty takes the model's first.
    tile, overlap : int
        As of :class:`~napari_construct.inference.settings.SegmentSettings`.
    mpp : float or None
        Micrometres per pixel of the image; None takes that of the file or layer, if known.
    count : int
        Number of top patches.
    per_image : int
        Most top patches of one image.
    """

    prototype: Annotated[str, Field(max_length=400)] = ""
    tile: Annotated[int, Field(ge=64, le=4096)] = 512
    overlap: Annotated[int, Field(ge=0, le=1024)] = 64
    mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    count: Annotated[int, Field(ge=1, le=200)] = 12
    per_image: Annotated[int, Field(ge=1, le=200)] = 3

    @model_validator(mode="before")
    @classmethod
    def _stored_with_device(cls, fields: Any) -> Any:
        return without_device(fields, cls.__name__)

    @model_validator(mode="after")
    def _tiles_outgrow_overlap(self) -> PrototypeSettings:
        if 2 * self.overlap > self.tile:
            raise ValueError(
                f"expected an overlap of at most half of the tile, got {self.overlap} and {self.tile} "
                "pixels; take larger tiles or less overlap"
            )
        return self
