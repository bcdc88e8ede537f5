"""What a user chooses to look at prototypes: the same object behind widget, command line and Python."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_construct.exceptions import ConfigurationError


class PrototypeSettings(BaseModel):
    """Settings of similarity maps and of the search for top patches.

    Parameters
    ----------
    prototype : str
        "tumour 2": the second prototype of a class; empty takes the first of all.
    tile, overlap : int
        As of :class:`~napari_construct.inference.settings.SegmentSettings`.
    mpp : float or None
        Micrometres per pixel of the image; None takes it from the file or layer where known.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps" ...
    count : int
        How many top patches are kept.
    per_image : int
        How many of them one image may give.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prototype: Annotated[str, Field(max_length=400)] = ""
    tile: Annotated[int, Field(ge=64, le=4096)] = 512
    overlap: Annotated[int, Field(ge=0, le=1024)] = 64
    mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    device: str = "auto"
    count: Annotated[int, Field(ge=1, le=200)] = 12
    per_image: Annotated[int, Field(ge=1, le=200)] = 3

    @model_validator(mode="after")
    def _tiles_outgrow_overlap(self) -> PrototypeSettings:
        if 2 * self.overlap > self.tile:
            raise ValueError(
                f"expected an overlap of at most half of the tile, got {self.overlap} and {self.tile} "
                "pixels; take larger tiles or less overlap"
            )
        return self

    def changed(self, **changes: Any) -> PrototypeSettings:
        """A copy with some fields changed and all of them checked.

        Raises
        ------
        ConfigurationError
            If a field is unknown or out of range; the message names it.
        """
        try:
            return PrototypeSettings.model_validate(self.model_dump() | changes)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "tile"
            raise ConfigurationError(f"setting {where}: {first['msg']}, got {first['input']!r}") from error
