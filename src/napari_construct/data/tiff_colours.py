"""Stored samples of a TIFF page as brightness: palettes, white-is-zero, YCbCr, extra samples, bit depth.

Source: TIFF 6.0 sections 3 to 8 (photometric interpretation, ExtraSamples) and 20 to 21 (ReferenceBlackWhite,
YCbCr).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_construct.data.limits import damaged, unsupported

_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_READ: Final = frozenset({_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR})
_JPEGS: Final = frozenset({6, 7, 34892, 33007})
_TO_RGB: Final = frozenset({22610, 34934, 34927, 50001, 50002, 52546, 33003, 33004, 33005, 34712})
"""Codecs besides JPEG whose decoders return RGB whatever the photometric tag says (JPEG XR, WebP, JPEG XL,
JPEG 2000)."""

_ASSOCIATED, _UNASSOCIATED = 1, 2
_BAND: Final = 2**22
"""Pixels that are converted at a time: conversions need several copies."""


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
    path: Path, array: NDArray[Any], page: Any, *, samples: bool
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
    if photometric == _YCBCR and array.ndim == 3 and array.shape[2] >= 3 and not _codec_gives_rgb(page):
        array = _ycbcr_to_rgb(array, page)
        notices.append(f"{path.name}: converted from YCbCr to RGB")
    alpha = 0
    if samples and array.ndim == 3:
        array, alpha, more = _wanted_samples(path, array, page)
        notices += more
    if photometric == _MINISWHITE:
        array = _inverted(array, page, array.shape[2] - 1 if alpha else None)
    array, more = _eight_bit(path, array, page)
    if alpha == _ASSOCIATED:
        array = _unassociated(array)
    return array, (*notices, *more)


def _codec_gives_rgb(page: Any) -> bool:
    if int(page.compression) in _JPEGS:
        return int(page.planarconfig) == 1  # separate planes are decoded one by one
    return int(page.compression) in _TO_RGB


def _looked_up(path: Path, array: NDArray[Any], page: Any) -> NDArray[Any]:
    """RGB uint8 of palette indices; a table without any value over 255 is one of 8 bits, as for libtiff."""
    table = page.colormap
    if table is None or table.ndim != 2 or len(table) != 3:
        raise damaged(path, "its palette is missing")
    indices = array[..., 0] if array.ndim == 3 else array
    if indices.size and int(indices.max()) >= table.shape[1]:
        raise damaged(path, f"colour {int(indices.max())} of a palette of {table.shape[1]}")
    colours = table.T if table.max() <= 255 else table.T >> 8
    rgb: NDArray[Any] = colours.astype(np.uint8)[
        indices.astype(np.intp) if indices.dtype == bool else indices
    ]
    return rgb


def _ycbcr_to_rgb(array: NDArray[Any], page: Any) -> NDArray[Any]:
    """RGB of YCbCr samples (TIFF 6.0 section 21) in the type of the array; further samples stay."""
    full = _full_scale(array, page)
    middle = (full + 1) / 2 if array.dtype.kind in "ui" else full / 2
    red, green, blue = _rationals(page, 529, 3) or (0.299, 0.587, 0.114)
    black_white = _rationals(page, 532, 6) or (0, full, middle, full, middle, full)
    dark, light = np.array(black_white[::2]), np.array(black_white[1::2])
    # brightness has the codes 0 to full; the colour differences half of them on either side of the middle
    scale = np.array([full, full - middle, full - middle]) / np.where(light == dark, 1, light - dark)

    def convert(part: NDArray[Any]) -> NDArray[Any]:
        y, cb, cr = np.moveaxis((part[..., :3].astype(np.float32) - dark) * scale, 2, 0)
        r = cr * (2 - 2 * red) + y
        b = cb * (2 - 2 * blue) + y
        g = (y - blue * b - red * r) / (green or 1)
        rgb = np.clip(np.stack([r, g, b], axis=2), 0, full)
        return np.rint(rgb) if array.dtype.kind in "ui" else rgb

    return _in_bands(array, convert)


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
    full = _full_scale(array, page)
    inverted = ~array if array.dtype == bool else _in_bands(array, lambda part: full - part)
    if alpha is not None:
        inverted[..., alpha] = array[..., alpha]
    if _depth(array, page) == 16 and array.dtype == np.uint16:
        # the range is known here, and after this the largest value says nothing of it
        return _scaled(inverted, full)
    return inverted


def _eight_bit(path: Path, array: NDArray[Any], page: Any) -> tuple[NDArray[Any], tuple[str, ...]]:
    """uint8 where the file states a depth of its own; whole bytes are left to ``as_rgb``."""
    depth = _depth(array, page)
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255), ()
    if array.dtype.kind != "u" or depth == 8 * array.dtype.itemsize:
        return array, ()
    notices = () if depth < 8 else (f"{path.name}: {depth}-bit values are scaled to 8-bit",)
    return _scaled(array, float(2**depth - 1)), notices


def _scaled(array: NDArray[Any], full: float) -> NDArray[np.uint8]:
    factor = np.float32(255 / full)
    scaled: NDArray[np.uint8] = _in_bands(
        array, lambda part: np.rint(np.minimum(part * factor, 255)), np.dtype(np.uint8)
    )
    return scaled


def _unassociated(array: NDArray[Any]) -> NDArray[Any]:
    """Colours that were stored multiplied by their alpha, divided by it."""
    full = 1.0 if array.dtype.kind == "f" else float(np.iinfo(array.dtype).max)

    def convert(part: NDArray[Any]) -> NDArray[Any]:
        alpha = part[..., -1:].astype(np.float32)
        colours = np.minimum(part[..., :-1] * (full / np.where(alpha > 0, alpha, full)), full)
        return np.where(alpha > 0, np.rint(colours) if array.dtype.kind != "f" else colours, 0)

    return _in_bands(array, convert)


def _in_bands(
    array: NDArray[Any], convert: Callable[[NDArray[Any]], NDArray[Any]], dtype: np.dtype[Any] | None = None
) -> NDArray[Any]:
    """The array with its first samples replaced by what ``convert`` makes of them, some rows at a time."""
    out = array.copy() if dtype is None else np.empty(array.shape, dtype)
    rows = max(1, _BAND // max(1, array[0].size)) if len(array) else 1
    for top in range(0, len(array), rows):
        part = convert(array[top : top + rows])
        if array.ndim == 3:
            out[top : top + rows, :, : part.shape[2]] = part
        else:
            out[top : top + rows] = part
    return out


def _depth(array: NDArray[Any], page: Any) -> int:
    """Bits of a sample that are used: as stated by BitsPerSample, or by MaxSampleValue in 16 bits."""
    stored = 8 * array.dtype.itemsize
    if array.dtype == bool:
        return 1
    bits = page.bitspersample
    if not isinstance(bits, int) or bits > stored:  # samples of different depth are scaled by the decoder
        return stored
    if bits == 16 and array.dtype == np.uint16 and array.size:
        limit = page.tags.valueof(281)
        limit = max(limit) if isinstance(limit, tuple) and limit else limit
        if isinstance(limit, int) and limit in {2**b - 1 for b in range(9, 16)} and array.max() <= limit:
            return limit.bit_length()
    return bits


def _full_scale(array: NDArray[Any], page: Any) -> float:
    """The value of full brightness; of floats 1 or 255, whichever holds them."""
    if array.dtype.kind == "f":
        high = float(array.max()) if array.size else 1.0
        return 1.0 if not high > 1.05 else max(255.0, high)
    if array.dtype.kind == "i":
        return float(np.iinfo(array.dtype).max)
    return float(2 ** _depth(array, page) - 1)


def _rationals(page: Any, tag: int, count: int) -> tuple[float, ...] | None:
    """Numbers of a tag of fractions; None where it is missing or of another length."""
    values = page.tags.valueof(tag)
    if not isinstance(values, tuple):
        return None
    try:
        if len(values) == 2 * count:
            numbers = tuple(values[2 * i] / values[2 * i + 1] for i in range(count))
        else:
            numbers = tuple(float(v) for v in values) if len(values) == count else ()
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None
