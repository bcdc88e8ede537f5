"""Which reader opens which file: the one place that knows all of them.

Tiles of plain grids are decoded here (``tiff``): measured beside OpenSlide it is faster for JPEG and for JPEG
2000 (``benchmarks/slide_reading.py``), and levels lie exactly where the file puts them. OpenSlide reads what
needs its knowledge: tiles that overlap, several scanned parts in one plane, files that are no TIFF.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import openslide

from napari_construct.data.listing import is_zarr
from napari_construct.data.slides.facts import SlideReader
from napari_construct.data.slides.openslide_reader import OpenSlideReader
from napari_construct.data.slides.tiff_reader import TiffReader
from napari_construct.data.slides.zarr_reader import ZarrReader
from napari_construct.events import Doubt
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.reading.places import is_folder
from napari_construct.reading.regular import open_regular
from napari_construct.reading.tiff.file import open_tiff

ReaderName: TypeAlias = Literal["tiff", "openslide", "zarr"]
"""The readers."""

SLIDE_FORMATS: Final = "SVS, NDPI, MRXS, SCN, BIF, DICOM, TIFF, OME-TIFF, OME-Zarr"
"""For messages and help."""

_PLAIN: Final = ("aperio", "generic-tiff")
"""OpenSlide's vendors whose levels are plain grids of tiles in a TIFF."""

_TIFF_STARTS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_reader(path: Path, image: int | None = None, reader: ReaderName | None = None) -> SlideReader:
    """Open a slide with the reader of its format.

    Parameters
    ----------
    path : Path
        A file, or the folder of an OME-Zarr.
    image : int, optional
        The number of another image of the file than the scan, from 1.
    reader : {"tiff", "openslide", "zarr"}, optional
        This reader and no other.

    Raises
    ------
    InputError
        If there is nothing, or nothing that one of them reads.
    ConfigurationError
        If there is no such reader.
    """
    if reader is not None and reader not in get_args(ReaderName):
        raise ConfigurationError(
            f"expected a reader of {', '.join(get_args(ReaderName))}, got {reader!r}; choose one"
        )
    if reader == "zarr" or (reader is None and is_zarr(path)):
        return ZarrReader(path, image)
    if is_folder(path):
        raise InputError(
            f"{path}: expected a slide ({SLIDE_FORMATS}), got a folder; name a file in it (of DICOM any file "
            "of the series)"
        )
    with open_regular(path, "a slide") as stream:
        start = stream.read(4)
    if not start:
        raise InputError(f"{path}: expected a slide ({SLIDE_FORMATS}), the file is empty; get it again")
    is_tiff = start in _TIFF_STARTS
    if is_tiff:
        with open_tiff(path):  # within bounds, before another library sees it
            pass
    if reader == "tiff":
        return TiffReader(path, image)
    vendor = openslide.OpenSlide.detect_format(path)
    if reader is None and is_tiff:
        return _of_tiff(path, image, vendor)
    if vendor is None:
        raise _unknown(path)
    if image not in (None, 1):
        raise InputError(
            f"{path}: expected the number of one of its images (it has 1), got {image}; leave the number out"
        )
    return OpenSlideReader(path)


def _of_tiff(path: Path, image: int | None, vendor: str | None) -> SlideReader:
    if image is not None or vendor is None or vendor in _PLAIN:
        return TiffReader(path, image)
    try:
        return OpenSlideReader(path)
    except InputError as refused:
        said = Doubt(
            f"{path.name}: OpenSlide recognises this file ({vendor}) and does not read it; the largest image "
            "in it is read as it is stored"
        )
        try:
            return TiffReader(path, notices=(said,))
        except InputError:
            raise refused from None


def _unknown(path: Path) -> InputError:
    """The error for a file that no reader knows."""
    if path.suffix.lower() == ".mrxs":
        return InputError(
            f"{path}: expected a folder {path.stem!r} beside the MRXS file, which holds its pixels, found "
            "none or a damaged one; copy both together"
        )
    return InputError(
        f"{path}: expected a slide ({SLIDE_FORMATS}), got something else; a PNG or JPEG is opened as an "
        "image, other files are to be saved as tiled TIFF"
    )
