"""Micrometres per pixel of an image file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import tifffile

PLAUSIBLE_MPP: Final = (0.02, 20.0)
"""Micrometres per pixel outside this range are a screen's or a printer's resolution, not a microscope's."""

_MICROMETRES: Final = {
    "nm": 1e-3,
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "inch": 25400.0,
    "in": 25400.0,
}
_TIFF_UNITS: Final = {2: 25400.0, 3: 1e4, 4: 1e3, 5: 1.0}  # inch, cm; mm and um of newer writers


def plausible(mpp: float | None) -> float | None:
    """``mpp`` where a microscope could have made it, else None."""
    if mpp is None or not PLAUSIBLE_MPP[0] <= mpp <= PLAUSIBLE_MPP[1]:
        return None
    return mpp


def mpp_from_dpi(dpi: Any) -> float | None:
    """Micrometres per pixel of Pillow's ``info["dpi"]``; None for 72, 96, 300 and other screen values."""
    try:
        per_inch = float(dpi[0])
    except (TypeError, IndexError, ValueError, ZeroDivisionError):
        return None
    return plausible(25400.0 / per_inch) if per_inch > 0 else None


def mpp_from_tiff(tif: tifffile.TiffFile, series: Any) -> float | None:
    """Micrometres per pixel of an image of a TIFF.

    Asked in this order, the most explicit first: OME ``PhysicalSizeX``, ``MPP`` of an Aperio
    description, ImageJ's unit, and the resolution tags of TIFF 6.0 section 8.
    """
    page = series.keyframe
    description = str(page.description or "")
    for found in (_ome(tif, page), _aperio(description), _imagej(tif), _tags(page)):
        if (mpp := plausible(found)) is not None:
            return mpp
    return None


def _ome(tif: tifffile.TiffFile, page: Any) -> float | None:
    # A pattern cannot be attacked with XML entities. One of a set of files is not opened as OME, but says it.
    pixels = _pixels_element(str(tif.pages.first.description or ""), page.imagelength, page.imagewidth)
    if pixels is None:
        return None
    size = re.search(r'\bPhysicalSizeX="([^"]+)"', pixels[0])
    unit = re.search(r'\bPhysicalSizeXUnit="([^"]+)"', pixels[0])
    factor = _MICROMETRES.get(unit[1] if unit else "µm")
    value = _number(size[1]) if size else None
    return None if value is None or factor is None else value * factor


def _pixels_element(text: str, height: int, width: int) -> re.Match[str] | None:
    """The ``Pixels`` of OME-XML with these sides; the only one where there is one."""
    found = list(re.finditer(r"<(?:\w+:)?Pixels\b[^>]*>", text)) if "OME" in text else []
    sides = (rf'\bSizeY="{height}"', rf'\bSizeX="{width}"')
    return next(
        (pixels for pixels in found if all(re.search(side, pixels[0]) for side in sides)),
        found[0] if len(found) == 1 else None,
    )


def _aperio(description: str) -> float | None:
    found = re.search(r"\bMPP\s*=\s*([0-9.eE+-]+)", description)
    return _number(found[1]) if found else None


def _imagej(tif: tifffile.TiffFile) -> float | None:
    metadata = tif.imagej_metadata or {}
    factor = _MICROMETRES.get(str(metadata.get("unit", "")).replace("\\u00B5", "µ").lower())
    per_unit = _pixels_per_unit(tif.pages.first)
    return factor / per_unit if factor and per_unit else None


def _tags(page: Any) -> float | None:
    unit = page.tags.get("ResolutionUnit")
    # TIFF 6.0: no unit means inch; unit 1 means the numbers are an aspect ratio
    factor = _TIFF_UNITS.get(int(unit.value) if unit is not None else 2)
    per_unit = _pixels_per_unit(page)
    return factor / per_unit if factor and per_unit else None


def _pixels_per_unit(page: Any) -> float | None:
    tag = page.tags.get("XResolution")
    try:
        numerator, denominator = tag.value
        return float(numerator) / float(denominator) or None
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
