"""Which patches are cut to be labelled."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, field_validator

from napari_construct.data.resolution import PLAUSIBLE_MPP
from napari_construct.data.slides.tissue import TissueSettings
from napari_construct.settings import Settings

USUAL_SIDE: Final = 224
"""Pixels a side, as those of BCSS-WSSS, which the method was published on."""

USUAL_MPP: Final = 0.5
"""Micrometres per pixel: nuclei can be told apart, and a patch shows 112 um of tissue."""

MOST_PATCHES: Final = 10_000
MOST_CANDIDATES: Final = 5000
LEAST_SIDE, LARGEST_SIDE = 32, 2048

_Mpp = Annotated[float, Field(gt=0, le=PLAUSIBLE_MPP[1])]


class CutSettings(Settings):
    """Which patches are cut, and how they are chosen.

    Parameters
    ----------
    count : int
        Patches.
    side : int
        Pixels of a patch's side.
    side_um : float or None
        Micrometres of a patch's side, in place of ``side``.
    mpp : float or None
        Micrometres per pixel of the patches; None cuts them at the resolution of their images. Without effect
        on images of unknown pixel size.
    image_mpp : float or None
        Micrometres per pixel of the images, in place of what their files state.
    whole : bool
        Take every image as one patch, as it is: for folders of patches. Slides are refused.
    choice : {"spread", "random"}
        "spread" chooses patches that differ in stain and texture (:mod:`~.spread`); "random" draws them.
    candidates : int
        Patches that are looked at for this, shared by the images; more take longer.
    min_tissue : float
        Share of a patch that is tissue, at least.
    tissue : TissueSettings
        How tissue is found on slides.
    encoder : str
        Encoder whose features say what a patch looks like; "lite0" is bundled.
    seed : int
        Of the draws.
    """

    count: Annotated[int, Field(ge=1, le=MOST_PATCHES)] = 100
    side: Annotated[int, Field(ge=LEAST_SIDE, le=LARGEST_SIDE)] = USUAL_SIDE
    side_um: Annotated[float, Field(gt=0, le=10_000)] | None = None
    mpp: _Mpp | None = USUAL_MPP
    image_mpp: _Mpp | None = None
    whole: bool = False
    choice: Literal["spread", "random"] = "spread"
    candidates: Annotated[int, Field(ge=1, le=MOST_CANDIDATES)] = 1500
    min_tissue: Annotated[float, Field(ge=0, le=1)] = 0.7
    tissue: TissueSettings = TissueSettings()
    encoder: Annotated[str, Field(min_length=1)] = "lite0"
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0

    @field_validator("mpp", "image_mpp")
    @classmethod
    def _plausible(cls, mpp: float | None) -> float | None:
        if mpp is not None and mpp < PLAUSIBLE_MPP[0]:
            low, high = PLAUSIBLE_MPP
            raise ValueError(f"expected {low:g} to {high:g} micrometres per pixel, got {mpp:g}; correct it")
        return mpp
