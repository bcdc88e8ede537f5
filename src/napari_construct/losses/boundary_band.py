"""The band around a teacher's contours; made once per image, with numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_construct.types import BoolMask, FloatArray, ShortRepr


@dataclass(frozen=True, slots=True, repr=False)
class BoundaryTargets(ShortRepr):
    """What :func:`~napari_construct.losses.boundary_aware.boundary_aware` learns from, of one image.

    Attributes
    ----------
    band : ndarray
        (h, w) float32 weight in [0, 1], 1 on contours.
    foreground : ndarray
        (h, w) bool: the teacher's foreground, decided.
    boundary : ndarray
        (h, w) float32 in [0, 1]: probability that a pixel lies on the border of a cell.
    """

    band: FloatArray
    foreground: BoolMask
    boundary: FloatArray


def band(
    foreground: NDArray[Any],
    width_px: float,
    instances: NDArray[Any] | None = None,
) -> FloatArray:
    r"""Weight of pixels by their distance from the nearest contour.

    .. math:: w(d) = \cos^2 \frac{\pi d}{2 \Delta} \; \text{for} \; d < \Delta, \quad 0 \; \text{beyond}

    :math:`\Delta` is ``width_px``, d the Euclidean distance to the nearest contour pixel. Contour pixels are
    those with one of four neighbours on the other side of the foreground's contour (probability 0.5), or in
    another cell; both sides belong to it. The weight is 1 there, a half at :math:`\Delta / 2` and falls
    smoothly to 0 at :math:`\Delta`, so that its width at half height is :math:`\Delta` (and a pixel). The
    edge of the image is no contour.

    Source: ours, after BPKD (arXiv 2306.08075), which distils edges and bodies of objects separately and
    takes a band of fixed width by dilation and erosion. The fall-off is ours: a pixel off the teacher's
    contour by little should count little less.

    Parameters
    ----------
    foreground : ndarray
        (h, w) probability in [0, 1] or mask.
    width_px : float
        Delta in pixels, above 0: micrometres over micrometres per pixel.
    instances : ndarray, optional
        (h, w) numbers of cells, 0 background: the borders between them are contours, too, also where they lie
        outside of the foreground.

    Returns
    -------
    ndarray
        (h, w) float32; 0 everywhere where there is no contour.
    """
    if not width_px > 0:
        raise ValueError(f"expected a width above 0 pixels, got {width_px}; use 4")
    contour = _contour(np.asarray(foreground) >= 0.5, "thick")
    if instances is not None:
        contour |= _contour(np.asarray(instances), "thick")
    if not contour.any():
        return np.zeros(contour.shape, np.float32)
    share = (ndimage.distance_transform_edt(~contour) / width_px).astype(np.float32)
    weight: FloatArray = np.where(share < 1, np.cos(share * np.float32(np.pi / 2)) ** 2, np.float32(0))
    return weight


def border_map(instances: NDArray[Any]) -> FloatArray:
    """(h, w) float32: 1 on pixels of a cell with one of four neighbours outside of it.

    Between two touching cells the line is two pixels wide.
    """
    return _contour(instances, "inner").astype(np.float32)


def _contour(labels: NDArray[Any], mode: str) -> BoolMask:
    found: BoolMask = find_boundaries(labels, connectivity=1, mode=mode)  # type: ignore[no-untyped-call]
    return found


def boundary_targets(
    foreground: NDArray[Any],
    instances: NDArray[Any] | None,
    boundary: NDArray[Any] | None,
    width_px: float,
) -> BoundaryTargets:
    """Band, decided foreground and boundary map of what a teacher said of an image.

    Parameters
    ----------
    foreground : ndarray
        (h, w) probability in [0, 1] or mask; 0.5 and above is foreground.
    instances : ndarray or None
        (h, w) numbers of cells, where the teacher has them.
    boundary : ndarray or None
        (h, w) probability of a boundary, where the teacher has it. Otherwise it is 1 on the inner border of
        instances, or else of the foreground (:func:`border_map`).
    width_px : float
        Width of the band, see :func:`band`.
    """
    decided = np.asarray(foreground) >= 0.5
    for name, other in (("instances", instances), ("boundary", boundary)):
        if other is not None and np.shape(other) != decided.shape:
            raise ValueError(
                f"expected {name} of the foreground's shape {decided.shape}, got {np.shape(other)}; "
                "give maps of one image"
            )
    if boundary is not None:
        lines: FloatArray = np.clip(boundary, 0, 1).astype(np.float32)
    else:
        lines = border_map(decided if instances is None else np.asarray(instances))
    return BoundaryTargets(band(decided, width_px, instances), decided, lines)
