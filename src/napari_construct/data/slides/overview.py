"""A small picture of a whole slide, and the tissue on it: the same for all who ask."""

from __future__ import annotations

from typing import Final

from napari_construct.data.slides.slide import Slide
from napari_construct.data.slides.tissue import TissueSettings, find_tissue
from napari_construct.types import BoolMask, RGBImage

OVERVIEW: Final = 2048
"""Longer side of the picture, in pixels."""

USUAL_MPP: Final = 0.25
"""Micrometres per pixel of a slide of unknown size, on which only the search for tissue relies."""


def overview_of(slide: Slide) -> RGBImage:
    """(h, w, 3) uint8: the picture on which tissue is found, and over which labels are drawn."""
    return slide.thumbnail(OVERVIEW)


def tissue_on(
    picture: RGBImage, slide: Slide, mpp: float | None, settings: TissueSettings | None = None
) -> BoolMask:
    """(h, w) bool: where a picture of a whole slide shows tissue.

    Parameters
    ----------
    picture : ndarray
        Of :func:`overview_of`.
    slide : Slide
        The slide.
    mpp : float or None
        Micrometres per pixel of level 0, along its rows; None where they are unknown.
    settings : TissueSettings, optional
        The defaults otherwise.
    """
    own = (USUAL_MPP if mpp is None else mpp) * slide.shape[0] / picture.shape[0]
    return find_tissue(picture, mpp=own, settings=settings or TissueSettings())
