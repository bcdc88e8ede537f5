"""Stored samples of a TIFF page as brightness: palettes, white-is-zero, YCbCr, extra samples, bit depth.

Source: TIFF 6.0 sections 3 to 8 (photometric interpretation, ExtraSamples) and 20 to 21 (ReferenceBlackWhite,
YCbCr).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_construct.data.limits import damaged, unsupported
from napari_construct.data.tiff.depth import depth_of, full_scale, in_bands, scaled_to_8_bit
from napari_construct.data.tiff.ycbcr import is_ycbcr, ycbcr_to_rgb

_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_READ: Final = frozenset({_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR})
_ASSOCIATED, _UNASSOCIATED = 1, 2


def check_photometric(path: Path, page: Any) -> None:
    """Refuse colour spaces that have no plain way to RGB.

    Raises
    ------
    InputError
        If the page is CMYK, CIELAB, a camera's raw pattern, or another of these.
    """
    photometric = int(page.photometric)
    # Aperio's JPEG 2000 files are decoded to RGB whatever the tag says
    if photometric in _READ or int(page.compression) in (33003, 33005):
        return
    try:
        name = tifffile.PHOTOMETRIC(photometric).name
    except ValueError:
        name = f"number {photometric}"
    name = {"SEPARATED": "SEPARATED (CMYK)"}.get(name, name)
    raise unsupported(path, f"the colour space {name}", "convert it to RGB")


def stored_colours(
    path: Path, array: NDArray[Any], page: Any, *, samples: bool, ycbcr: bool | None = None
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Colours as the page's tags mean them.

    Parameters
    ----------
    path : Path
        The file, for errors and notices.
    array : ndarray
        (h, w) or (h, w, c) as stored.
    page : tifffile.TiffPage
        Whose tags count.
    samples : bool
        Whether the channels are the samples of a pixel; False of channels that lie in pages of their own.
    ycbcr : bool, optional
        Whether the samples are YCbCr, where that is known; asked of the page otherwise, which may read of it.

    Returns
    -------
    array : ndarray
        (h, w), (h, w, 2), (h, w, 3) or (h, w, 4), the even ones with alpha. uint8 where the depth was known;
        otherwise in the type of the file.
    notices : tuple of str
        What was changed.

    Raises
    ------
    InputError
        If the colour space has no plain way to RGB.
    """
    check_photometric(path, page)
    photometric = int(page.photometric)
    if photometric == _PALETTE:
        return _looked_up(path, array, page), ()
    notices: list[str] = []
    if array.ndim == 3 and array.shape[2] >= 3 and (is_ycbcr(page) if ycbcr is None else ycbcr):
        array = ycbcr_to_rgb(array, page)
        array = _of_known_range(array, page)
        notices.append(f"{path.name}: converted from YCbCr to RGB")
    alpha = 0
    if samples and array.ndim == 3:
        array, alpha, more = _wanted_samples(path, array, page)
        notices += more
    if photometric == _MINISWHITE:
        array = _inverted(array, page, array.shape[2] - 1 if alpha else None)
    array, scaled = _eight_bit(path, array, page)
    if alpha == _ASSOCIATED:
        array = _unassociated(array)
    return array, (*notices, *scaled)


def _looked_up(path: Path, array: NDArray[Any], page: Any) -> NDArray[Any]:
    """RGB uint8 of palette indices, with alpha where the file has it.

    A table without any value over 255 is one of 8 bits, as for libtiff.
    """
    table = page.colormap
    if table is None or table.ndim != 2 or len(table) != 3:
        raise damaged(path, "its palette is missing")
    indices = array[..., 0] if array.ndim == 3 else array
    if indices.size and int(indices.max()) >= table.shape[1]:
        raise damaged(path, f"colour {int(indices.max())} of a palette of {table.shape[1]}")
    colours = (table.T if table.max() <= 255 else table.T >> 8).astype(np.uint8)
    rgb: NDArray[Any] = colours[indices.astype(np.intp) if indices.dtype == bool else indices]
    if array.ndim == 3 and page.extrasamples and int(page.extrasamples[0]) in (_ASSOCIATED, _UNASSOCIATED):
        alpha = scaled_to_8_bit(array[..., 1], full_scale(array, page))
        return np.concatenate([rgb, alpha[..., None]], axis=2)
    return rgb


def _wanted_samples(path: Path, array: NDArray[Any], page: Any) -> tuple[NDArray[Any], int, list[str]]:
    """Colour and alpha of all samples; the kind of alpha (0 none); notices."""
    stored, extras = array.shape[2], tuple(int(e) for e in page.extrasamples)
    notices = []
    colours = 3 if int(page.photometric) in (_RGB, _YCBCR) else 1
    if colours == 1 and stored in (3, 4):
        colours = 3
        notices.append(
            f"{path.name}: the first three samples of a greyscale TIFF are read as red, green and blue"
        )
    if stored <= colours:
        return array, 0, notices
    kinds = ((0,) * stored + extras)[-stored:]
    alpha = next((i for i in range(colours, stored) if kinds[i] in (_ASSOCIATED, _UNASSOCIATED)), None)
    dropped = stored - colours - (alpha is not None)
    if dropped:
        notices.append(
            f"{path.name}: {dropped} sample(s) of a pixel that the file does not call alpha are dropped"
        )
    kept = [*range(colours), *([] if alpha is None else [alpha])]
    return array[..., kept] if len(kept) < stored else array, 0 if alpha is None else kinds[alpha], notices


def _inverted(array: NDArray[Any], page: Any, alpha: int | None) -> NDArray[Any]:
    """Black is zero in place of white is zero; the sample ``alpha`` stays."""
    if array.dtype.kind == "i" and array.min() < 0:
        return array  # refused later
    full = full_scale(array, page)
    inverted = ~array if array.dtype == bool else in_bands(array, lambda part: full - part)
    if alpha is not None:
        inverted[..., alpha] = array[..., alpha]
    return _of_known_range(inverted, page)


def _of_known_range(array: NDArray[Any], page: Any) -> NDArray[Any]:
    """8 bits of converted 16-bit samples, whose largest value says nothing of their range any more."""
    if array.dtype == np.uint16 and depth_of(array, page) == 16:
        return scaled_to_8_bit(array, full_scale(array, page))
    return array


def _eight_bit(path: Path, array: NDArray[Any], page: Any) -> tuple[NDArray[Any], tuple[str, ...]]:
    """uint8 where the file states a depth of its own; whole bytes are left to ``as_rgb``."""
    depth = depth_of(array, page)
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255), ()
    if array.dtype.kind != "u" or depth == 8 * array.dtype.itemsize:
        return array, ()
    notices = () if depth < 8 else (f"{path.name}: {depth}-bit values are scaled to 8-bit",)
    return scaled_to_8_bit(array, float(2**depth - 1)), notices


def _unassociated(array: NDArray[Any]) -> NDArray[Any]:
    """Colours that were stored multiplied by their alpha, divided by it."""
    full = 1.0 if array.dtype.kind == "f" else float(np.iinfo(array.dtype).max)

    def convert(part: NDArray[Any]) -> NDArray[Any]:
        alpha = part[..., -1:].astype(np.float32)
        colours = np.minimum(part[..., :-1] * (full / np.where(alpha > 0, alpha, full)), full)
        return np.where(alpha > 0, np.rint(colours) if array.dtype.kind != "f" else colours, 0)

    return in_bands(array, convert)
