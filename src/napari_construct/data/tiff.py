"""One plane of a TIFF, OME-TIFF or SVS file, checked before it is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_construct.data.limits import DECODER_ERRORS, MIN_SIDE, check_size, damaged
from napari_construct.data.tiff_resolution import pixel_size_of_tiff
from napari_construct.exceptions import InputError

_KEEP: Final = "YXSC"
_MINISWHITE, _PALETTE, _SEPARATED = 0, 3, 5


class TiffPlane(NamedTuple):
    """The pixels of a TIFF as stored: (h, w) or (h, w, c), with what else is known of them."""

    array: NDArray[Any]
    mpp: float | None
    notices: tuple[str, ...]


def read_tiff(path: Path, *, max_pixels: int, colours: bool = True, min_side: int = MIN_SIDE) -> TiffPlane:
    """Level 0 of the first image in a TIFF.

    Parameters
    ----------
    path : Path
        The file.
    max_pixels : int
        Larger planes are refused before anything is decoded.
    colours : bool
        Whether palette indices are turned into RGB; False keeps the indices, as masks need.
    min_side : int
        Planes with a shorter side are refused.

    Returns
    -------
    TiffPlane
        Pixels (h, w) or (h, w, c) in the type of the file.

    Raises
    ------
    InputError
        If the file is damaged, too large, a stack, or of a colour space without a plain way to RGB.
    """
    try:
        with tifffile.TiffFile(path) as tif:
            if not tif.series:
                raise damaged(path, "no image inside")
            series = tif.series[0]
            axes = _check_plane(path, series)
            height, width = (series.shape[series.axes.index(a)] for a in "YX")
            check_size(path, height, width, max_pixels, min_side)
            check_segments(path, series, tif.filehandle.size, max_pixels)
            array = channels_last(np.asarray(series.asarray()), axes)
            page = series.keyframe
            if colours:
                array = stored_colours(path, array, page)
            size = pixel_size_of_tiff(tif, page, name=path.name)
            return TiffPlane(array, size.mpp, _notices(path, tif, axes) + size.notices)
    except DECODER_ERRORS as error:
        if isinstance(error, InputError):
            raise
        raise damaged(path, error) from error


def _check_plane(path: Path, series: Any) -> str:
    """Axes of the series after length-one axes are dropped, if they are those of one plane."""
    axes = "".join(a for a, n in zip(series.axes, series.shape, strict=True) if n > 1 or a in "YX")
    shape = tuple(n for a, n in zip(series.axes, series.shape, strict=True) if n > 1 or a in "YX")
    sizes = dict(zip(axes, shape, strict=True))
    if "Y" not in sizes or "X" not in sizes or not set(axes) <= set(_KEEP) or ("S" in axes and "C" in axes):
        raise InputError(
            f"{path}: expected one plane (rows, columns and colour), got axes {series.axes} of shape "
            f"{series.shape}; save one plane of the stack as its own file"
        )
    if sizes.get("C", 3) != 3 or sizes.get("S", 3) > 4:
        raise InputError(
            f"{path}: expected 1 channel, RGB or RGBA, got {sizes.get('C') or sizes['S']} channels; "
            "save one channel, or three as RGB"
        )
    return axes


def check_segments(path: Path, series: Any, file_size: int, max_pixels: int) -> None:
    """Refuse absurd tiles, and files that end before their pixels do."""
    tile = series.keyframe.tilelength * series.keyframe.tilewidth
    if tile > max_pixels:
        raise damaged(path, f"tiles of {tile:,} pixels")
    # tifffile fills what a truncated file lacks with zeros, which would look like tissue-free glass
    for page in series.pages:
        if page is None:
            continue
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            if offset + count > file_size:
                raise damaged(path, f"image data end at byte {offset + count}, the file at byte {file_size}")


def channels_last(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """(h, w) or (h, w, c) of an array with these axes, after axes of length one are dropped."""
    rows_columns = [n for n in array.shape if n > 1]
    if len(rows_columns) == len(axes):
        array = array.reshape(rows_columns)
    channel = next((a for a in "SC" if a in axes), "")
    return array.transpose([axes.index(a) for a in "YX" + channel])


def stored_colours(path: Path, array: NDArray[Any], page: Any) -> NDArray[Any]:
    """Colours as the page's tags mean them: palettes looked up, white-is-zero inverted.

    Raises
    ------
    InputError
        If the colour space has no plain way to RGB.
    """
    photometric = int(page.photometric)
    if photometric == _PALETTE and page.colormap is not None:
        rgb: NDArray[Any] = (page.colormap.T[array] >> 8).astype(np.uint8)
        return rgb
    if photometric == _MINISWHITE and array.dtype.kind == "u":
        inverted: NDArray[Any] = np.iinfo(array.dtype).max - array
        return inverted
    if photometric >= _SEPARATED and photometric != int(tifffile.PHOTOMETRIC.YCBCR) and array.ndim == 3:
        name = tifffile.PHOTOMETRIC(photometric).name
        # Aperio's JPEG 2000 files are decoded to RGB whatever the tag says
        if int(page.compression) not in (33003, 33005):
            raise InputError(
                f"{path}: expected RGB or greyscale, got the colour space {name}; convert it to RGB"
            )
    return array


def _notices(path: Path, tif: tifffile.TiffFile, axes: str) -> tuple[str, ...]:
    notices = []
    if "C" in axes:
        notices.append(f"{path.name}: the three channels are read as red, green and blue")
    others = len(tif.series) - 1
    scanner = tif.is_svs or tif.is_ndpi or tif.is_scn  # their other images are labels and thumbnails
    if others and not scanner:
        notices.append(f"{path.name}: the file holds {others} more image(s); only the first is read")
    return tuple(notices)
