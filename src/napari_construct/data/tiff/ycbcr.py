"""YCbCr samples of a TIFF as RGB (TIFF 6.0 sections 20 and 21)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.tiff.depth import full_scale, in_bands

_YCBCR: Final = 6
_JPEGS: Final = frozenset({6, 7, 34892, 33007})
_APERIO_YCBCR: Final = 33003
_TO_RGB: Final = frozenset({22610, 34934, 34927, 50001, 50002, 52546, 33004, 33005, 34712})
"""Codecs besides JPEG whose decoders return RGB whatever the photometric tag says (JPEG XR, WebP, JPEG XL,
JPEG 2000)."""

_COEFFICIENTS, _REFERENCE_BLACK_WHITE = 529, 532


def is_ycbcr(page: Any) -> bool:
    """Whether the decoded samples of a page are YCbCr: not those that a codec has turned into RGB."""
    compression = int(page.compression)
    if compression == _APERIO_YCBCR:
        return _is_plain_codestream(page)
    if int(page.photometric) != _YCBCR or compression in _TO_RGB:
        return False
    return compression not in _JPEGS or int(page.planarconfig) != 1  # planes are decoded one by one


def _is_plain_codestream(page: Any) -> bool:
    """Whether a JPEG 2000 codestream of Aperio has three components of one size that it does not mix.

    The decoder converts those with smaller colour components, and those that state the transform to RGB
    (ISO 15444-1, markers SIZ and COD).
    """
    stream = page.parent.filehandle
    stream.seek(page.dataoffsets[0])
    head: bytes = stream.read(min(page.databytecounts[0], 4096))
    size, style = head.find(b"\xff\x51"), head.find(b"\xff\x52")
    if size < 0 or style < 0 or len(head) < max(size + 49, style + 9):
        return False
    components = head[size + 40 : size + 49]
    return head[size + 38 : size + 40] == b"\0\3" and set(components[1::3]) == {1} and head[style + 8] == 0


def ycbcr_to_rgb(array: NDArray[Any], page: Any) -> NDArray[Any]:
    """RGB of YCbCr samples (TIFF 6.0 section 21) in the type of the array; further samples stay."""
    full = full_scale(array, page)
    middle = (full + 1) / 2 if array.dtype.kind in "ui" else full / 2
    red, green, blue = _rationals(page, _COEFFICIENTS, 3) or (0.299, 0.587, 0.114)
    black_white = _rationals(page, _REFERENCE_BLACK_WHITE, 6) or (0, full, middle, full, middle, full)
    dark, light = np.array(black_white[::2]), np.array(black_white[1::2])
    # brightness has the codes 0 to full; the colour differences half of them on either side of the middle
    scale = np.array([full, full - middle, full - middle]) / np.where(light == dark, 1, light - dark)

    def convert(part: NDArray[Any]) -> NDArray[Any]:
        y, cb, cr = np.moveaxis((part[..., :3].astype(np.float32) - dark) * scale, 2, 0)
        r = cr * (2 - 2 * red) + y
        b = cb * (2 - 2 * blue) + y
        g = (y - blue * b - red * r) / (green or 1)
        rgb: NDArray[Any] = np.clip(np.stack([r, g, b], axis=2), 0, full)
        return np.rint(rgb) if array.dtype.kind in "ui" else rgb

    return in_bands(array, convert)


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
