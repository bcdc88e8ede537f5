"""Where tissue lies on a slide: found on a small picture of it, without training."""

from __future__ import annotations

import math
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field, StrictBool
from scipy import ndimage

from napari_construct.data.slides.ink import ink_mask
from napari_construct.data.slides.light import light_of_glass
from napari_construct.settings import Settings
from napari_construct.types import BoolMask, FloatArray, RGBImage

WORKING_MPP: Final = 20.0
"""Micrometres per pixel that evidence is computed at, if the picture is as fine; fat cells are four wide."""

LARGEST_WORKING: Final = 600_000
"""Pixels that evidence is computed for; a finer picture is reduced further."""

LARGEST_PICTURE: Final = 64_000_000
"""Pixels of a picture of a slide."""

SMALLEST_PICTURE: Final = 8
"""Pixels of a side."""

_WINDOW: Final = 5
"""Working pixels of a side in which texture is measured; what is thinner than half of it is no tissue."""

_LOW: Final = 0.5
"""Share of the evidence of sure tissue that is enough beside sure tissue."""

_HALF_HEIGHT: Final = 0.5
"""Share of its strongest neighbour's evidence that a pixel needs: smoothing put half on the border."""

_DENSITY: Final = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)

_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""Finite, and no text or truth value that could be taken for a number."""


class TissueSettings(Settings):
    """How tissue is told from glass; the defaults are those of ``benchmarks/tissue.py``.

    Densities are optical densities, natural logarithm, against the glass of the same slide at the same
    place: 0.02 is 2 % of the light.

    Parameters
    ----------
    colour : float
        Difference between the densities of the three channels from which a pixel is tissue by its colour
        alone. Less finds paler tissue, and tinted glass.
    darkness : float
        Mean density from which it is tissue by its darkness alone. Stains have colour; grey is mostly dust.
    texture : float
        Standard deviation of the density, over 100 um, from which it is tissue by its texture alone: fat
        cells without colour.
    min_area : float
        mm2; smaller pieces are dust. 0 keeps all.
    max_hole : float
        mm2; smaller holes belong to the tissue around them. 0 fills none.
    margin : float
        Micrometres by which tissue is made larger at the end.
    ink : bool
        Whether strokes of black, blue, green and red pens are left out. To be switched off for stains
        that look like them (trichrome, Alcian blue).
    """

    colour: Annotated[_Number, Field(gt=0, le=1)] = 0.03
    darkness: Annotated[_Number, Field(gt=0, le=2)] = 0.4
    texture: Annotated[_Number, Field(gt=0, le=1)] = 0.02
    min_area: Annotated[_Number, Field(ge=0, le=1000)] = 0.03
    max_hole: Annotated[_Number, Field(ge=0, le=1000)] = 0.03
    margin: Annotated[_Number, Field(ge=0, le=1000)] = 0.0
    ink: StrictBool = True


def find_tissue(image: RGBImage, *, mpp: float, settings: TissueSettings | None = None) -> BoolMask:
    """Where tissue lies on a slide.

    The light that comes through empty glass is fitted over the slide, so that neither its tint nor uneven
    illumination counts. What absorbs more is tissue by its colour, its darkness and its texture together:
    the three, each divided by the value that is enough alone, are squared and summed. A pixel from 1 on is
    tissue, and so is one from a quarter on that hangs together with it, as pale and fatty tissue does. Thick
    areas in the colours of pens and of a scanner's black frame are left out, thin lines (fibres, the edge of
    the cover slip) and small pieces, too.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB, the whole slide at low resolution.
    mpp : float
        Micrometres per pixel of it, best 4 to 20; from about 40 on fat cells are no longer seen.
    settings : TissueSettings, optional
        The defaults if left out.

    Returns
    -------
    ndarray
        (h, w) bool, True on tissue.

    Raises
    ------
    ValueError
        If the image is no such array, too large or too small, or mpp is not a positive number.

    Notes
    -----
    What it gets wrong: ink over tissue is left out together with the tissue; violet ink passes for
    haematoxylin, and ink of two colours over each other for neither; red ink that touches tissue stays in
    part, as blood would. Strands thinner than about 50 um are lost with the fibres. Tissue all in grey, as
    with silver, is found where it is dark or has texture. A slide all covered by pale smooth tissue without
    any glass is glass. Everything is decided at 20 um per pixel or more, so borders lie within one of those.
    """
    _check(image, mpp)
    settings = settings or TissueSettings()
    h, w = image.shape[:2]
    factor = max(round(WORKING_MPP / mpp), math.ceil(math.sqrt(h * w / LARGEST_WORKING)), 1)
    factor = min(factor, min(h, w) // SMALLEST_PICTURE)
    small = np.asarray(Image.fromarray(image).reduce(factor)) if factor > 1 else image
    pixel = (mpp * factor / 1000) ** 2  # mm2
    density = _DENSITY[small]
    grey = density.mean(axis=-1)
    above = np.maximum(density - light_of_glass(density, _texture(grey)), 0)
    near = np.stack([ndimage.uniform_filter(above[..., c], 3) for c in range(3)])
    strength = _strength(near, above.mean(axis=-1), settings)
    if settings.ink:
        strength[ink_mask(near, mpp * factor)] = 0
    found = _hanging_together(strength)
    found = ndimage.uniform_filter(found.astype(np.float32), _WINDOW) > 0.5
    found = without_small(found, settings.min_area / pixel)
    found = ~without_small(~found, settings.max_hole / pixel)
    if settings.margin:
        found = ndimage.distance_transform_edt(~found) * mpp * factor <= settings.margin
    return found.repeat(factor, axis=0).repeat(factor, axis=1)[:h, :w]


def without_small(mask: npt.NDArray[np.bool_], least: float) -> BoolMask:
    """Connected areas (four neighbours) of a (h, w) mask with at least ``least`` pixels."""
    areas, count = ndimage.label(mask)
    if not count or least <= 1:
        return mask
    large = np.bincount(areas.ravel()) >= least
    large[0] = False
    kept: BoolMask = large[areas]
    return kept


def _strength(near: FloatArray, grey: FloatArray, settings: TissueSettings) -> FloatArray:
    """Evidence of tissue, squared; 1 is enough.

    ``near`` (3, h, w): density above glass, smoothed; ``grey`` (h, w): its mean over channels, not smoothed.
    """
    colour = (near.max(axis=0) - near.min(axis=0)) / settings.colour
    darkness = near.mean(axis=0) / settings.darkness
    texture = ndimage.minimum_filter(_texture(grey), _WINDOW) / settings.texture
    found: FloatArray = colour * colour + darkness * darkness + texture * texture
    return found


def _texture(grey: FloatArray) -> FloatArray:
    """Standard deviation in a window around each pixel."""
    mean = ndimage.uniform_filter(grey, _WINDOW)
    spread: FloatArray = np.sqrt(np.maximum(ndimage.uniform_filter(grey * grey, _WINDOW) - mean * mean, 0))
    return spread


def _hanging_together(strength: FloatArray) -> BoolMask:
    """Hysteresis: connected areas of some evidence that hold enough of it somewhere."""
    some = (strength >= _LOW**2) & (strength >= _HALF_HEIGHT**2 * ndimage.maximum_filter(strength, 3))
    areas, count = ndimage.label(some)
    sure = np.zeros(count + 1, dtype=np.bool_)
    sure[areas[some & (strength >= 1)]] = True
    sure[0] = False
    found: BoolMask = sure[areas]
    return found


def _check(image: RGBImage, mpp: float) -> None:
    shape, dtype = getattr(image, "shape", None), getattr(image, "dtype", None)
    if shape is None or len(shape) != 3 or shape[2] != 3 or dtype != np.uint8:
        raise ValueError(f"expected an image of (h, w, 3) uint8 RGB, got {shape} {dtype}; convert it first")
    h, w = shape[:2]
    if min(h, w) < SMALLEST_PICTURE or h * w > LARGEST_PICTURE:
        raise ValueError(
            f"expected a picture of a slide of {SMALLEST_PICTURE} pixels a side to {LARGEST_PICTURE // 10**6}"
            f" megapixels, got {h} x {w}; take a level of another resolution, or a thumbnail"
        )
    if not (math.isfinite(mpp) and mpp > 0):
        raise ValueError(f"mpp: expected micrometres per pixel of the picture, over 0, got {mpp!r}")
