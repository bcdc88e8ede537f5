"""Settings of a comparison of two annotations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_construct.metrics.bootstrap import RESAMPLES
from napari_construct.settings import Settings


class AgreementSettings(Settings):
    """What is compared with what, and where.

    Parameters
    ----------
    match : tuple of (str, str)
        Names of a class in the first and in the second annotation, where they differ by more than case and
        spaces. Several of one side may go with the same of the other.
    leave_out : tuple of str
        Classes, of either side, that count nowhere, like QuPath's ``Ignore*``.
    unlabelled : {"class", "left out"}
        What pixels without a class are: something that annotators agree on, too, or nothing to be compared
        (for strokes, or where only some objects were outlined).
    locked : {"regions", "objects"}
        What locked annotations of a GeoJSON file are: regions, outside of which nothing is compared, or
        objects like others.
    first_class : {"auto", 0, 1}
        Value of the first class in masks of other programs: 0; 1 where 0 is unlabelled; or found out.
    downsample : float
        Pixels of the image along the side of a pixel that is compared, where both are objects.
    tile : int
        Side of the parts that are compared at once, in pixels.
    resamples, seed : int
        Of the bootstrap.
    """

    match: tuple[tuple[str, str], ...] = ()
    leave_out: tuple[str, ...] = ()
    unlabelled: Literal["class", "left out"] = "class"
    locked: Literal["regions", "objects"] = "regions"
    first_class: Literal["auto", 0, 1] = "auto"
    downsample: Annotated[float, Field(gt=0, le=1024)] = 1.0
    tile: Annotated[int, Field(ge=64, le=8192)] = 2048
    resamples: Annotated[int, Field(ge=100, le=100_000)] = RESAMPLES
    seed: int = 0
