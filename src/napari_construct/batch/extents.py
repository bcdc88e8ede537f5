"""How large the images of a batch are, from their headers: no pixel is decoded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from napari_construct.batch.sources import Source
from napari_construct.batch.time_left import BatchTimeLeft, Size
from napari_construct.batch.work import Work
from napari_construct.data.image_header import read_header
from napari_construct.data.limits import METADATA_ERRORS
from napari_construct.data.listing import is_zarr
from napari_construct.data.slides.slide import open_slide
from napari_construct.exceptions import ConstructError
from napari_construct.inference.activation.resample import model_factor


class Extent(NamedTuple):
    """What a file states of its image.

    Attributes
    ----------
    format : str
        Of a slide that of :class:`~napari_construct.data.slides.slide.Slide`, else empty.
    shape : tuple of int
        Rows and columns.
    mpp : tuple of float or None
        Height and width of a pixel in micrometres.
    """

    format: str
    shape: tuple[int, int]
    mpp: tuple[float, float] | None

    def pixels_at(self, model_mpp: float | None, scale: float, mpp: float | None = None) -> float:
        """Pixels at a model's resolution; ``mpp`` goes before the file's."""
        sides = self.mpp if mpp is None else (mpp, mpp)
        factors = (model_factor(None if sides is None else sides[axis], model_mpp, scale) for axis in (0, 1))
        return math.prod(self.shape) * math.prod(factors)


def extent_of(source: Source) -> Extent | None:
    """The extent of an image or slide; None of an array, whose owner knows it.

    Raises
    ------
    ConstructError, OSError
        If it cannot be opened.
    """
    if source.path is None:
        return None
    if source.slide or is_zarr(source.path):
        with open_slide(source.path) as slide:
            return Extent(slide.format, slide.shape, slide.mpp)
    header = read_header(source.path)
    return Extent("", (header.rows, header.columns), None if header.mpp is None else (header.mpp,) * 2)


def time_left_of(sources: Sequence[Source], work: Work) -> BatchTimeLeft:
    """Follows the entries that are to be done, in their order."""
    settings = work.settings.segment
    sizes = []
    for source in sources:
        try:
            extent = extent_of(source)
        except (ConstructError, *METADATA_ERRORS):
            extent = None  # reading it will say why
        pixels = None if extent is None else extent.pixels_at(work.mpp, work.scale, settings.mpp) / 1e6
        sizes.append(Size(pixels, source.slide))
    return BatchTimeLeft(sizes, tile=(settings.tile - settings.overlap) ** 2 / 1e6)
