"""Settings of a segmentation of cells."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, model_validator

from napari_construct.settings import Settings

_Share = Annotated[float, Field(ge=0, le=1)]


DECIDING: Final = ("threshold", "seed_threshold", "split_tolerance", "min_area")
"""Settings that need no network: cells are decided anew from the same maps."""


class CellSettings(Settings):
    """Settings of one segmentation of cells by a student on one channel.

    Parameters
    ----------
    channel : int, str or None
        The channel, by index from 0 or by name. None takes the only one, or the one whose name is that of a
        nuclear stain (DAPI, Hoechst, DNA, ...).
    mpp : float or None
        Micrometres per pixel of the image; None takes that of the file or layer, if known.
    tile, overlap : int
        Side of a square tile, and pixels that neighbours share and blend, at the model's resolution.
    threshold : float
        Probability from which a pixel is foreground.
    seed_threshold : float
        A cell begins where foreground exceeds boundary by this; higher values lose faint cells.
    split_tolerance : float
        Touching cells are split at a waist that is narrower, in half its width, by this many pixels than what
        it joins; higher values split less.
    min_area : int
        Smallest cell in pixels of the image; smaller ones are dropped.
    """

    channel: (
        Annotated[int, Field(ge=0, lt=1000)] | Annotated[str, Field(min_length=1, max_length=200)] | None
    ) = None
    mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    tile: Annotated[int, Field(ge=64, le=4096)] = 512
    overlap: Annotated[int, Field(ge=0, le=1024)] = 64
    threshold: _Share = 0.5
    seed_threshold: _Share = 0.5
    split_tolerance: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    min_area: Annotated[int, Field(ge=0, le=1_000_000_000)] = 20

    @model_validator(mode="after")
    def _tiles_outgrow_overlap(self) -> CellSettings:
        if 2 * self.overlap > self.tile:
            raise ValueError(
                f"expected an overlap of at most half of the tile, got {self.overlap} and {self.tile} "
                f"pixels; take an overlap of {self.tile // 2} or less"
            )
        return self
