"""Any array that shows tissue as (h, w, 3) uint8, saying what had to be changed."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.limits import MAX_PIXELS, check_size
from napari_construct.events import Doubt
from napari_construct.exceptions import InputError
from napari_construct.types import BoolMask, RGBImage

_DARK_MEDIAN: Final = 60
"""Median brightness (0 to 255) under which a picture counts as dark: stained sections are lit from below."""

_BIT_DEPTHS: Final = (8, 10, 12, 14, 16)


class Shown(NamedTuple):
    """An array as a model sees it.

    Attributes
    ----------
    rgb : ndarray
        (h, w, 3) uint8, C-contiguous; transparent places are laid on white, which is glass.
    valid : ndarray or None
        (h, w) bool, False where the array is transparent: there are no data. None where all is valid.
    notices : tuple of str
        What was changed, one sentence each; empty for RGB uint8.
    """

    rgb: RGBImage
    valid: BoolMask | None
    notices: tuple[str, ...]


def as_rgb(array: Any, *, name: str, max_pixels: int = MAX_PIXELS) -> tuple[RGBImage, tuple[str, ...]]:
    """RGB and notices of :func:`as_shown`, for callers to whom white is as good as no data."""
    shown = as_shown(array, name=name, max_pixels=max_pixels)
    return shown.rgb, shown.notices


def as_shown(array: Any, *, name: str, max_pixels: int = MAX_PIXELS) -> Shown:
    """RGB uint8 of an array as cameras, files and napari layers hold it.

    Parameters
    ----------
    array : array-like
        (h, w) or (h, w, c) with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA) channels; numpy, dask or zarr.
        uint8 passes. Integers up to 65535 are divided by the range of the smallest of 8, 10, 12, 14 and
        16 bits that holds their maximum (16 bits: divided by 257). Floats in [0, 1] are multiplied by
        255; values up to 255 stay unchanged; larger ones are read as integers if all are whole, and
        stretched from their minimum to their maximum otherwise.
        Alpha is scaled in the same way but on its own. Colours of transparent pixels have no influence.
    name : str
        What errors and notices call the array, for example its path or the layer's name.
    max_pixels : int
        Refuse larger arrays before they are loaded.

    Raises
    ------
    InputError
        If the shape is no image's, a side is under 16 pixels, there are too many pixels, all of them are
        transparent, or a value is NaN, infinite or of a type that has no brightness.
    """
    shape = tuple(getattr(array, "shape", None) or np.shape(array))
    _check_shape(shape, name, max_pixels)
    short = PurePath(name).name or name
    values = np.asarray(array)
    opacity: NDArray[np.uint8] | None = None
    if values.ndim == 3 and values.shape[2] in (2, 4):
        opacity, _ = _to_uint8(values[..., -1], name, short)
        values = values[..., :-1]
    valid = None if opacity is None or opacity.all() else opacity > 0
    if valid is not None:
        values = _without_hidden(values, valid, name)
    eight_bit, notices = _to_uint8(values, name, short)
    if opacity is not None:
        eight_bit = on_white(eight_bit, opacity)
        notices.append(_alpha_notice(opacity, short))
    grey = eight_bit.ndim == 2 or eight_bit.shape[2] == 1
    if grey:
        eight_bit = np.repeat(eight_bit.reshape(*eight_bit.shape[:2], 1), 3, axis=2)
    rgb: RGBImage = np.ascontiguousarray(eight_bit)
    notices.extend(_colour_notices(rgb, valid, grey, short))
    return Shown(rgb, valid, tuple(notices))


def _without_hidden(values: NDArray[Any], valid: BoolMask, name: str) -> NDArray[Any]:
    """The colours with those of transparent pixels replaced, which may be NaN or deeper than the others."""
    if not valid.any():
        raise InputError(
            f"{name}: expected an image, all of its pixels are transparent (alpha 0), which means no data; "
            "choose another, or save it without the alpha channel if that means nothing"
        )
    first = np.unravel_index(int(valid.argmax()), valid.shape)
    return np.where(valid[..., None], values, values[first])


def on_white(colours: NDArray[np.uint8], opacity: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours (h, w, c) laid on white where they are transparent, blended where partly so."""
    if (opacity == 255).all():
        return colours
    laid = colours.copy()
    laid[opacity == 0] = 255
    partly = (opacity > 0) & (opacity < 255)
    share = opacity[partly].astype(np.float32)[:, None] / 255
    laid[partly] = np.rint(colours[partly] * share + 255 * (1 - share)).astype(np.uint8)
    return laid


def _alpha_notice(opacity: NDArray[np.uint8], short: str) -> str:
    if opacity.min() == 255:
        return f"{short}: the alpha channel is dropped"
    clear = 100 * float((opacity == 0).mean())
    if not clear:
        return f"{short}: partly transparent pixels are laid on white"
    percent = "under 0.1" if clear < 0.1 else f"{clear:.1f}"
    return (
        f"{short}: {percent} % of the pixels are transparent, which means no data; they stay unlabelled and "
        "count nowhere"
    )


def _check_shape(shape: tuple[int, ...], name: str, max_pixels: int) -> None:
    if 0 in shape or not shape:
        raise InputError(
            f"{name}: expected an image, got an array of shape {shape} without pixels; choose another"
        )
    if len(shape) == 3 and shape[0] in (3, 4) and shape[2] > 4:
        raise InputError(
            f"{name}: expected channels last (h, w, 3), got shape {shape} with channels first; "
            "move them to the end"
        )
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] > 4):
        raise InputError(
            f"{name}: expected one plane (h, w) or (h, w, 3), got shape {shape}; "
            "choose one plane or three channels"
        )
    check_size(name, shape[0], shape[1], max_pixels)


def _to_uint8(array: NDArray[Any], name: str, short: str) -> tuple[NDArray[np.uint8], list[str]]:
    if array.dtype == np.uint8:
        return array, []
    if array.dtype.kind in "iu":
        return _integers(array, name, short)
    if array.dtype.kind == "f":
        return _floats(array, name, short)
    raise InputError(
        f"{name}: expected brightness values (uint8, uint16 or float), got {array.dtype}; "
        "convert the image to uint8"
    )


def _integers(array: NDArray[Any], name: str, short: str) -> tuple[NDArray[np.uint8], list[str]]:
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 65535:
        raise InputError(
            f"{name}: expected integers from 0 to 65535, got {low} to {high} ({array.dtype}); "
            "convert the image to uint8"
        )
    bits = next(b for b in _BIT_DEPTHS if high < 2**b)
    full = 2**bits - 1
    scaled = np.rint(array * np.float32(255 / full)).astype(np.uint8)
    return scaled, [f"{short}: {array.dtype} values up to {high} are read as {bits}-bit and scaled to 8-bit"]


def _floats(array: NDArray[Any], name: str, short: str) -> tuple[NDArray[np.uint8], list[str]]:
    if not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise InputError(
            f"{name}: expected finite values, got {bad} NaN or infinite one(s); replace or crop them"
        )
    low, high = float(array.min()), float(array.max())
    if low >= 0 and 255 < high <= 65535 and (array == np.rint(array)).all():
        return _integers(array, name, short)  # a camera's integers that a program holds as floats
    tolerance = 0.05  # interpolation overshoots a little
    if low >= -tolerance and high <= 1 + tolerance:
        unit, notices = array, list[str]()
    elif low >= 0 and high <= 255:
        unit, notices = array / 255, [f"{short}: float values up to {high:.4g} are taken as 0 to 255"]
    else:
        # in float64: the difference of two large float32 numbers may not fit one
        unit = (array.astype(np.float64) - low) / ((high - low) or 1)
        said = f"{short}: float values from {low:.4g} to {high:.4g} are stretched to 0 to 255"
        notices = [Doubt(said)]
    return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8), notices


def _colour_notices(rgb: RGBImage, valid: BoolMask | None, grey: bool, short: str) -> list[str]:
    step = max(1, min(rgb.shape[:2]) // 256)
    brightness = rgb[::step, ::step].max(axis=2)
    if valid is not None and valid[::step, ::step].any():
        brightness = brightness[valid[::step, ::step]]
    dark = float(np.median(brightness)) < _DARK_MEDIAN
    notices: list[str] = []
    if grey:
        notices.append(Doubt(f"{short}: greyscale is copied to three channels; an H&E model expects colour"))
    if dark:
        notices.append(
            Doubt(
                f"{short}: the background is dark, as in a fluorescence image; models of H&E are trained on "
                "bright-field images, so results are not reliable"
            )
        )
    return notices
