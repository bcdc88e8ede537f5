"""From the image's pixels to the model's resolution and back."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from PIL import Image

from napari_construct.exceptions import InputError
from napari_construct.types import FloatArray, RGBImage

LARGEST_FACTOR: Final = 8.0
"""Between an image's and a model's micrometres per pixel; beyond it, one of them is wrong, or the image
does not show what the model was trained on."""

UNRELIABLE_FACTOR: Final = 4.0
"""Enlargement beyond which the detail that a model was trained on is missing."""

TOLERANCE: Final = 0.1
"""Relative difference in resolution that is not worth a resampling: scanners of one nominal
magnification differ as much."""

MAX_MODEL_PIXELS: Final = 400_000_000
"""Bound on the pixels of an image after it is enlarged to the model's resolution (1.2 GB of RGB)."""

_BAND: Final = 512


def model_factor(mpp: float | None, model_mpp: float | None, scale: float = 1.0) -> float:
    """Pixels at the model's resolution per pixel of an image; arguments as of :func:`model_shape`."""
    factor = mpp / model_mpp if mpp is not None and model_mpp is not None else scale
    return 1.0 if abs(factor - 1) <= TOLERANCE else factor


def model_shape(
    shape: tuple[int, int], mpp: float | None, model_mpp: float | None, name: str, scale: float = 1.0
) -> tuple[int, int]:
    """Rows and columns of an image at the model's resolution.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image.
    mpp, model_mpp : float or None
        Micrometres per pixel of both; nearly equal ones keep the shape.
    name : str
        Name of the image in errors.
    scale : float
        Factor if a resolution is unknown: that of the training patches.

    Raises
    ------
    InputError
        If the two differ more than eightfold, or the enlarged image would be too large.
    """
    known = mpp is not None and model_mpp is not None
    factor = model_factor(mpp, model_mpp, scale)
    if factor == 1:
        return shape
    if known and not 1 / LARGEST_FACTOR <= factor <= LARGEST_FACTOR:
        raise InputError(
            f"{name}: expected an image within {LARGEST_FACTOR:g} times of the model's {model_mpp:g} um per "
            f"pixel, got {mpp:g}; correct the resolution (mpp), or use another level or another model"
        )
    wanted = (max(round(shape[0] * factor), 1), max(round(shape[1] * factor), 1))
    if wanted[0] * wanted[1] > MAX_MODEL_PIXELS:
        raise InputError(
            f"{name}: expected at most {MAX_MODEL_PIXELS:,} pixels at the model's resolution, got "
            f"{wanted[0]} x {wanted[1]}; cut out a region"
        )
    return wanted


def resample_image(image: RGBImage, shape: tuple[int, int]) -> RGBImage:
    """Bicubic resampling, antialiased where it shrinks (Pillow widens the kernel by the factor).

    Channels are resampled one after the other: Pillow keeps an RGB image in four bytes a pixel, beside which
    the array would be a second copy.
    """
    if image.shape[:2] == shape:
        return image
    resized: RGBImage = np.empty((*shape, 3), dtype=np.uint8)
    for channel in range(3):
        plane = Image.fromarray(np.ascontiguousarray(image[..., channel]))
        resized[..., channel] = np.asarray(plane.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))
    return resized


def sample_maps(
    maps: FloatArray,
    shape: tuple[int, int],
    cells: tuple[float, float],
    *,
    align_corners: bool = False,
    window: tuple[slice, slice] | None = None,
) -> FloatArray:
    """Bilinear interpolation of maps on a coarse grid at the pixels of an image.

    The same as torch's ``interpolate`` where the image is a whole number of cells, but the last cell
    may be cut by the image's border.

    Parameters
    ----------
    maps : ndarray
        (k, gh, gw) float32; cell ``i`` covers ``i`` to ``i + 1`` on its axis.
    shape : tuple of int
        Rows and columns of the image.
    cells : tuple of float
        Extent of the image in cells: at most gh rows and gw columns.
    align_corners : bool
        Put the centre of a corner cell on the corner pixel, as the released code does.
    window : tuple of slice, optional
        Only these rows and columns of the image.

    Returns
    -------
    ndarray
        (k, h, w) float32, of the image or of the window.
    """
    part = window or (slice(None), slice(None))
    top, bottom, down = (n[part[0]] for n in _neighbours(shape[0], cells[0], maps.shape[1], align_corners))
    left, right, across = (n[part[1]] for n in _neighbours(shape[1], cells[1], maps.shape[2], align_corners))
    h, w = len(down), len(across)
    grid = torch.from_numpy(np.ascontiguousarray(maps))
    wide = torch.lerp(grid[..., left], grid[..., right], across)
    out = torch.empty((maps.shape[0], h, w))
    for start in range(0, h, _BAND):  # two gathered copies of a band, not of the image
        rows = slice(start, start + _BAND)
        torch.lerp(wide[:, top[rows]], wide[:, bottom[rows]], down[rows, None], out=out[:, rows])
    result: FloatArray = out.numpy()
    return result


def _neighbours(
    pixels: int, cells: float, size: int, align_corners: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Per pixel the cells before and after its centre, and how far it lies between their centres."""
    pixel = torch.arange(pixels, dtype=torch.float64)
    if align_corners:
        centre = pixel * ((cells - 1) / max(pixels - 1, 1))
    else:
        centre = (pixel + 0.5) * (cells / pixels) - 0.5
    centre = centre.clamp(0, size - 1)
    before = centre.floor().long()
    after = (before + 1).clamp_max(size - 1)
    return before, after, (centre - before).float()
