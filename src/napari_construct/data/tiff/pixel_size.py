"""Where TIFF files of many writers state their pixel size.

Each function takes text or numbers and knows nothing of the file. Texts are searched with patterns of bounded
length instead of an XML parser: entities cannot attack them, and broken XML still states its pixel size.
"""

from __future__ import annotations

import html
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from napari_construct.data.resolution import (
    NUMBER,
    PixelSize,
    Stated,
    chosen,
    length,
    micrometres_of,
    number,
    per_unit,
)
from napari_construct.data.tiff.xml_text import LONGEST, attributes_of
from napari_construct.reading.texts.json import json_or_none

if TYPE_CHECKING:
    import tifffile

_LONGEST_JSON: Final = 500_000

_NO_NUMBERS: Final = re.compile(r"(?<=[:\[,\s])(?:NaN|-?Infinity)(?=[,\s\]}])")

_TIFF_UNITS: Final = {2: 25400.0, 3: 1e4, 4: 1e3, 5: 1.0}  # inch, cm; mm and um of newer writers


def pixel_size_of_tiff(tif: tifffile.TiffFile, page: Any = None, *, name: str | None = None) -> PixelSize:
    """Micrometres per pixel of one image of a TIFF.

    Asked in this order, the most explicit first: OME ``PhysicalSizeX``, descriptions of scanners and
    programs, ImageJ's unit, and the resolution tags of TIFF 6.0 section 8.

    Parameters
    ----------
    tif : TiffFile
        The open file.
    page : TiffPage, optional
        The page of the image at full resolution; the first otherwise.
    name : str, optional
        What notices call the file; its own name otherwise.
    """
    return chosen(stated_by_tiff(tif, page), name or PurePath(tif.filename).name)


def stated_by_tiff(tif: tifffile.TiffFile, page: Any = None) -> list[Stated | None]:
    """All that a TIFF states of one image's pixel size, in the order of :func:`pixel_size_of_tiff`."""
    page = page or tif.pages.first
    first = str(tif.pages.first.description or "")[:LONGEST]
    own = str(page.description or "")[:LONGEST]
    across, down, unit = (page.tags.valueof(key) for key in ("XResolution", "YResolution", "ResolutionUnit"))
    return [
        # one of a set of files is not opened as OME, but says it
        from_ome(first, page.imagelength, page.imagewidth),
        *(found for text in dict.fromkeys((own, first)) for found in from_description(text, page.imagewidth)),
        from_iscan(_text(page.tags.valueof("XMP")) or _text(tif.pages.first.tags.valueof("XMP"))),
        from_lengths(tif),
        from_imagej(tif.imagej_metadata or {}, across, down),
        from_tags(across, down, 2 if unit is None else unit),  # TIFF 6.0: no unit means inch
    ]


def from_description(text: str, width: int = 0) -> tuple[Stated | None, ...]:
    """Everything that a description may state, each in its own writer's way."""
    return (
        from_aperio(text),
        from_scn(text, width),
        from_philips(text),
        from_properties(text),
        from_iscan(text),
        from_metamorph(text),
        from_json(text),
    )


def from_ome(xml: str, height: int = 0, width: int = 0) -> Stated | None:
    """``PhysicalSizeX`` and ``PhysicalSizeY`` of the ``Pixels`` with these sides, or of the only one.

    They are micrometres unless a unit says more.
    """
    found = attributes_of("Pixels", xml)
    sides = (str(height), str(width))
    fitting = [named for named in found if (named.get("SizeY"), named.get("SizeX")) == sides]
    if not fitting and len(found) != 1:
        return None
    named = (fitting or found)[0]
    x, y = (length(named.get(f"PhysicalSize{a}"), named.get(f"PhysicalSize{a}Unit")) for a in "XY")
    return Stated(x, y, "OME")


def from_aperio(text: str) -> Stated | None:
    """``MPP = 0.4990`` of Aperio and its followers, also ``MPP_X`` and ``MPP_Y``, also with a comma."""
    found: dict[str, float | None] = {}
    pattern = rf"\bMPP[ _-]?([XY]?)\"?\s{{0,9}}[=:]\s{{0,9}}({NUMBER})"
    for axis, value in re.findall(pattern, text, re.IGNORECASE | re.ASCII):
        found.setdefault(axis.upper(), length(value, None))
    if not found:
        return None
    both = found.get("")
    return Stated(found.get("X") or both, found.get("Y") or both, "MPP of the description")


def from_scn(xml: str, width: int) -> Stated | None:
    """Leica SCN: nanometres of a view over its pixels, for the image that is so many pixels wide."""
    if "/scn/" not in xml[:2000]:
        return None
    for pixels, view in zip(attributes_of("pixels", xml), attributes_of("view", xml), strict=False):
        if number(pixels.get("sizeX")) == width:
            sides = [(number(view.get(f"size{a}")), number(pixels.get(f"size{a}"))) for a in "XY"]
            x, y = (per_unit(count, nm / 1e3) if nm else None for nm, count in sides)
            return Stated(x, y, "SCN")
    return None


def from_philips(xml: str) -> Stated | None:
    """Philips TIFF: ``DICOM_PIXEL_SPACING`` in millimetres, rows first; that of the first level."""
    found = re.search(r"DICOM_PIXEL_SPACING\"[^>]{0,200}>([^<]{1,200})<", xml)
    values = re.findall(NUMBER, html.unescape(found[1])) if found else []
    if not values:
        return None
    return Stated(length(values[-1], "mm"), length(values[0], "mm"), "DICOM_PIXEL_SPACING")


def from_properties(xml: str) -> Stated | None:
    """``PixelSizeMicrons`` of PerkinElmer and Akoya, and OpenSlide's properties that libvips keeps."""
    sides = []
    for axis in "xy":
        kept = rf"openslide\.mpp-{axis}</name>\s{{0,20}}<value[^>]{{0,100}}>\s{{0,20}}({NUMBER})\s{{0,20}}<"
        found = re.search(kept, xml)
        sides.append(length(found[1], None) if found else None)
    if any(sides):
        return Stated(sides[0], sides[1], "openslide.mpp-x")
    found = re.search(rf"<PixelSize(?:Microns|Um|_um)>\s{{0,20}}({NUMBER})\s{{0,20}}<", xml, re.IGNORECASE)
    size = length(found[1], None) if found else None
    return None if size is None else Stated(size, size, "PixelSizeMicrons")


def from_iscan(xml: str) -> Stated | None:
    """Ventana: ``ScanRes`` of the element ``iScan``."""
    found = re.search(rf"\bScanRes\s{{0,9}}=\s{{0,9}}[\"']({NUMBER})[\"']", xml)
    size = length(found[1], None) if found else None
    return None if size is None else Stated(size, size, "ScanRes")


def from_metamorph(xml: str) -> Stated | None:
    """MetaMorph: the properties ``spatial-calibration-x``, ``-y``, ``-units`` and ``-state``."""
    named = {tag.get("id", ""): tag.get("value", "") for tag in attributes_of("prop", xml)}
    if named.get("spatial-calibration-state", "on").lower() in ("off", "false", "0"):
        return None
    unit = named.get("spatial-calibration-units")
    x, y = (length(named.get(f"spatial-calibration-{a}"), unit) for a in "xy")
    return Stated(x, y, "spatial-calibration") if x or y else None


def from_json(text: str) -> Stated | None:
    """A description in JSON that names the size: masks of napari-construct, Micro-Manager."""
    if len(text) > _LONGEST_JSON or not text.lstrip().startswith("{"):
        return None
    # the numbers of a microscope's other settings may be none
    named = json_or_none(_NO_NUMBERS.sub("null", text)) or {}
    for key in ("mpp", "mpp_x", "PixelSizeUm", "PixelSize_um", "pixel_size_um"):
        size = length(named.get(key), None)
        if size is not None:
            return Stated(size, size, key)
    return None


def from_lengths(tif: tifffile.TiffFile) -> Stated | None:
    """Tags of Zeiss LSM and Olympus SIS (metres) and of MetaMorph STK (with a unit)."""
    sources = (
        (tif.lsm_metadata, ("VoxelSizeX", "VoxelSizeY"), "m", "LSM"),
        (tif.sis_metadata, ("pixelsizex", "pixelsizey"), "m", "SIS"),
        (tif.stk_metadata, ("XCalibration", "YCalibration"), None, "STK"),
    )
    for metadata, keys, unit, where in sources:
        if isinstance(metadata, dict):
            x, y = (length(metadata.get(key), unit or str(metadata.get("CalibrationUnits"))) for key in keys)
            if x or y:
                return Stated(x, y, where)
    return None


def from_imagej(metadata: dict[str, Any], across: Any, down: Any) -> Stated | None:
    """ImageJ: pixels per ``unit`` in the resolution tags; rows may have a ``yunit``."""
    unit = micrometres_of(str(metadata.get("unit") or ""))
    rows = micrometres_of(str(metadata["yunit"])) if metadata.get("yunit") else unit
    x, y = per_unit(_ratio(across), unit), per_unit(_ratio(down), rows)
    return Stated(x, y, "ImageJ") if x or y else None


def from_tags(across: Any, down: Any, unit: Any) -> Stated | None:
    """Pixels per inch or centimetre; unit 1 means that the numbers are an aspect ratio."""
    factor = _TIFF_UNITS.get(unit if isinstance(unit, int) else 0)
    x, y = per_unit(_ratio(across), factor), per_unit(_ratio(down), factor)
    return Stated(x, y, "resolution tags") if x or y else None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value[:LONGEST].decode("utf-8", "replace")
    return str(value or "")[:LONGEST]


def _ratio(value: Any) -> float | None:
    try:
        numerator, denominator = value
        return float(numerator) / float(denominator)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
