"""Which of the two kernels of an image share a lattice, and which work for themselves."""

from __future__ import annotations

from jaxtyping import UInt8
from torch import Tensor

from napari_construct.crf.base.params import CRFParameters
from napari_construct.crf.base.strips import Map, cut
from napari_construct.crf.lowrank import splines
from napari_construct.crf.lowrank.colours import ColourFeatures
from napari_construct.crf.lowrank.lattice import Lattice
from napari_construct.crf.lowrank.operators import Kernels
from napari_construct.crf.lowrank.settings import LowRankSettings
from napari_construct.crf.narrow.bilateral import BilateralPart
from napari_construct.crf.narrow.gauss import GaussPart
from napari_construct.crf.narrow.split import LatticePart, SplitKernels

REACH, FINE_REACH = 3.0, 3.5
"""Radius of the pixels in a direct sum in standard deviations; the latter with the accuracy ``fine``."""


def summed(parameters: CRFParameters, settings: LowRankSettings) -> bool:
    """Whether the appearance kernel is summed pixel by pixel: cells would be one pixel wide, or two if their
    splines are quadratic, which no compiled kernel takes.
    """
    s = splines.spacing(parameters.appearance_sigma_xy, settings.spacing)
    return s <= settings.degree


def apart(parameters: CRFParameters, settings: LowRankSettings) -> bool:
    """Whether the smoothness kernel stays off the lattice, whose cells it would halve, or which it would
    make many more nodes of a cell's side reach for.
    """
    smooth, appearance = (
        splines.spacing(sigma, settings.spacing)
        for sigma in (parameters.smoothness_sigma, parameters.appearance_sigma_xy)
    )
    return 2 * smooth <= appearance or smooth <= settings.degree


def cell(parameters: CRFParameters, settings: LowRankSettings) -> int:
    """Side of a cell in pixels; 1 without a lattice."""
    if summed(parameters, settings):
        return 1
    sigmas = [parameters.appearance_sigma_xy]
    if not apart(parameters, settings):
        sigmas.append(parameters.smoothness_sigma)
    return splines.spacing(min(sigmas), settings.spacing)


def prepared(
    image: UInt8[Tensor, "b h w 3"],
    colours: ColourFeatures | None,
    parameters: CRFParameters,
    settings: LowRankSettings,
    run: Map,
) -> Kernels:
    """The kernels of images; colour features are needed where :func:`summed` says no."""
    b, h, w, _ = image.shape
    sigma_xy, smoothness = parameters.appearance_sigma_xy, parameters.smoothness_sigma
    if colours is None:
        rows = cut(h, w, image.device)
        reach = FINE_REACH if settings.degree > 1 else REACH
        direct = BilateralPart(image, sigma_xy, parameters.appearance_sigma_rgb, reach, rows, run)
        return SplitKernels(GaussPart((b, h, w), smoothness, image.device), direct, rows, b, image.device)
    alone = apart(parameters, settings)
    lattice = Lattice(
        image,
        colours,
        sigma_xy=sigma_xy,
        smoothness_sigma=sigma_xy if alone else smoothness,
        spacing=settings.spacing,
        degree=settings.degree,
        dtype=settings.dtype,
        run=run,
    )
    if not alone:
        return lattice
    part = LatticePart(lattice)
    return SplitKernels(GaussPart((b, h, w), smoothness, image.device), part, part.rows, b, image.device)
