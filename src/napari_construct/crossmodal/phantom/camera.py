"""From cells to what a microscope's camera writes."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_construct.crossmodal.phantom.fields import smooth_field
from napari_construct.crossmodal.phantom.layout import CELL_TYPES
from napari_construct.crossmodal.phantom.settings import PhantomSettings
from napari_construct.types import FloatArray

Labels = NDArray[np.int32]
OFFSET: Final = 100.0
"""What the camera counts in the dark."""

_BACKGROUND, _CYTOPLASM, _FIBRES, _OUT_OF_FOCUS = 0.06, 0.08, 0.4, 0.12


def nuclear_light(
    rng: np.random.Generator,
    nuclei: Labels,
    depth: FloatArray,
    types: NDArray[np.int64],
    settings: PhantomSettings,
) -> FloatArray:
    """(h, w) brightness of nuclei, with light from other planes.

    It is of their type, grainy, and highest in the middle of a nucleus.

    Parameters
    ----------
    nuclei : ndarray
        (h, w) int32 numbers; number i + 1 is of type ``types[i]``.
    depth : ndarray
        (h, w) 0 in the middle of a nucleus, 1 at its border.
    types : ndarray
        (n,) index into ``CELL_TYPES``.
    """
    bright = np.array([kind.brightness for kind in CELL_TYPES])[types]
    bright = np.r_[0, bright * np.exp(0.18 * rng.standard_normal(len(types)))].astype(np.float32)
    grain = np.r_[0, np.array([kind.grain for kind in CELL_TYPES])[types]].astype(np.float32)
    texture = smooth_field(rng, nuclei.shape, 1.0 / settings.mpp)
    light = bright[nuclei] * (1 + grain[nuclei] * texture) * (1 - 0.25 * depth**2)
    light = np.maximum(light, 0)
    found: FloatArray = light + _OUT_OF_FOCUS * ndimage.gaussian_filter(light, 4 / settings.mpp) / 0.4
    return found


def membrane_light(rng: np.random.Generator, instances: Labels, settings: PhantomSettings) -> FloatArray:
    """(h, w) brightness of membranes, a little of cytoplasm, and fibres of the stroma.

    Membranes are patchy, and of another strength for each cell.
    """
    shape, um = instances.shape, 1 / settings.mpp
    strength = np.r_[0, np.exp(0.4 * rng.standard_normal(int(instances.max(initial=0))))].astype(np.float32)
    lines = find_boundaries(instances, connectivity=1, mode="inner")  # type: ignore[no-untyped-call]
    border = lines * strength[instances]
    patchy = np.clip(0.7 + 0.45 * smooth_field(rng, shape, 3 * um), 0.0, 1.5)
    line = ndimage.gaussian_filter(border * patchy, 0.25 * um)
    fibre = np.exp(-((smooth_field(rng, shape, 5 * um) / 0.1) ** 2))
    fibre = fibre * np.clip(smooth_field(rng, shape, 15 * um), 0, 1.5) * (instances == 0)
    found: FloatArray = settings.membrane * (
        line + _CYTOPLASM * strength[instances] * patchy + _FIBRES * fibre
    )
    return found


def photograph(rng: np.random.Generator, light: FloatArray, settings: PhantomSettings) -> FloatArray:
    r"""(h, w) counts of a camera: blurred, unevenly lit, with noise of photons and of reading.

    .. math:: I = o + P(\lambda) + \mathcal N(0, \sigma^2), \quad
              \lambda = n \, s \, (g * L + b)
    """
    blurred = ndimage.gaussian_filter(light, settings.blur_um / settings.mpp) + _BACKGROUND
    shade = np.clip(
        1 + settings.shading * np.tanh(smooth_field(rng, light.shape, max(light.shape) / 1.5)), 0.1, 2
    )
    photons = rng.poisson(settings.photons * shade * blurred)
    counts = OFFSET + photons + settings.read_noise * rng.standard_normal(light.shape)
    return np.maximum(counts, 0).astype(np.float32)
