"""One image of the phantom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_construct.crossmodal.phantom.bodies import largest_parts, paint
from napari_construct.crossmodal.phantom.camera import membrane_light, nuclear_light, photograph
from napari_construct.crossmodal.phantom.fields import smooth_field
from napari_construct.crossmodal.phantom.layout import LYMPHOID, Cells, make_regions, place_cells
from napari_construct.crossmodal.phantom.settings import PhantomSettings
from napari_construct.exceptions import InputError
from napari_construct.training.randomness import seed_of
from napari_construct.types import FloatArray, ShortRepr

MAX_PIXELS = 4096 * 4096


@dataclass(frozen=True, slots=True, repr=False)
class PhantomImage(ShortRepr):
    """Two channels and the cells behind them.

    Attributes
    ----------
    channels : ndarray
        (2, h, w) float32 counts of the camera, about 100 in the dark.
    names : tuple of str
        ("nuclear", "membrane").
    instances : ndarray
        (h, w) int32: whole cells, 1 to n without gaps; 0 is background.
    nuclei : ndarray
        (h, w) int32: nuclei, with the number of their cell; a cell whose nucleus is out of the plane has
        none.
    mpp : float
        Micrometres per pixel.
    """

    channels: FloatArray
    names: tuple[str, str]
    instances: NDArray[np.int32]
    nuclei: NDArray[np.int32]
    mpp: float


def phantom(
    seed: int, shape: tuple[int, int] = (256, 256), settings: PhantomSettings | None = None
) -> PhantomImage:
    """Tissue with four types of cells, seen in a nuclear and a membrane channel.

    Three kinds of tissue (epithelium, lymphoid, stroma) lie in smooth regions, each with its mixture of cell
    types, its density and its direction. Every cell has a nucleus and a body that reaches beyond it:

    ============ ================================ ======================================= ==================
    type         nucleus                          body                                    density
    ============ ================================ ======================================= ==================
    epithelial   large, oval, grainy              medium                                  tight
    lymphoid     small, round, bright, smooth     hardly larger than the nucleus          tightest
    stromal      long, along the tissue           long                                    loose
    macrophage   as epithelial, coarser grain     large                                   single
    ============ ================================ ======================================= ==================

    How far a body reaches within a type is chance (``hidden_spread``), and so is the side to which the
    nucleus is shifted (``eccentricity``). Bodies without a nucleus in the plane and debris without a body
    mislead. Bodies share pixels by a Voronoi rule
    (:func:`~napari_construct.crossmodal.phantom.bodies.paint`); the camera blurs, shades and adds noise
    (:func:`~napari_construct.crossmodal.phantom.camera.photograph`).

    The construction is ours. Its numbers are of the order of real tissue, none is fitted to any.

    Parameters
    ----------
    seed : int
        The image is a function of it, of the shape and of the settings.
    shape : tuple of int
        Height and width, at least 16 each.
    settings : PhantomSettings, optional
        The defaults are those of the experiments.

    Raises
    ------
    InputError
        If the shape is too small or too large.
    """
    settings = settings or PhantomSettings()
    if min(shape) < 16 or shape[0] * shape[1] > MAX_PIXELS:
        raise InputError(
            f"expected a shape of at least 16 x 16 and at most {MAX_PIXELS} pixels, got {shape}; "
            "use (256, 256)"
        )

    def rng(purpose: str) -> np.random.Generator:
        return np.random.default_rng(seed_of(seed, f"phantom {purpose}", 0))

    regions = make_regions(rng("regions"), shape, settings)
    cells = place_cells(rng("cells"), shape, regions, settings)
    instances, nuclei, depth = _drawn(rng("borders"), shape, cells, settings)
    seen, seen_depth, types = _with_debris(rng("debris"), instances, nuclei, depth, cells, settings)
    channels = (
        photograph(
            rng("nuclear camera"), nuclear_light(rng("nuclei"), seen, seen_depth, types, settings), settings
        ),
        photograph(
            rng("membrane camera"),
            membrane_light(rng("membranes"), instances, settings),
            settings,
        ),
    )
    numbers = np.zeros(len(cells) + 1, np.int32)
    there = np.unique(instances[instances > 0])
    numbers[there] = np.arange(1, len(there) + 1)
    return PhantomImage(
        np.stack(channels), ("nuclear", "membrane"), numbers[instances], numbers[nuclei], settings.mpp
    )


def _drawn(
    rng: np.random.Generator, shape: tuple[int, int], cells: Cells, settings: PhantomSettings
) -> tuple[NDArray[np.int32], NDArray[np.int32], FloatArray]:
    """Bodies, nuclei, and depth in nuclei; a nucleus belongs to its own cell, wherever bodies compete."""
    um = 1 / settings.mpp
    warp = tuple(0.9 * um * smooth_field(rng, shape, 6 * um) for _ in range(2))
    mild = 0.4 * warp[0], 0.4 * warp[1]
    bodies, _ = paint(shape, cells.bodies, cells.body_axes, cells.angles, (warp[0], warp[1]))
    nuclei, depth = paint(shape, cells.nuclei, cells.nucleus_axes, cells.angles, mild)
    instances = largest_parts(np.where(nuclei > 0, nuclei, bodies))
    visible = (nuclei == instances) & np.r_[False, cells.in_plane][nuclei]
    return instances, np.where(visible, nuclei, 0), depth


def _with_debris(
    rng: np.random.Generator,
    instances: NDArray[np.int32],
    nuclei: NDArray[np.int32],
    depth: FloatArray,
    cells: Cells,
    settings: PhantomSettings,
) -> tuple[NDArray[np.int32], FloatArray, NDArray[np.int64]]:
    """Nuclei and, where no cell is, round bodies like small nuclei; their depth and their types."""
    shape, um = instances.shape, 1 / settings.mpp
    count = int(rng.poisson(settings.debris * len(cells)))
    middles = rng.uniform(0, 1, (count, 2)) * shape
    axes = rng.uniform(1.2, 2.6, (count, 1)) * np.exp(0.1 * rng.standard_normal((count, 2))) * um
    still = np.zeros(shape, np.float32)
    bits, bit_depth = paint(shape, middles, axes, rng.uniform(0, np.pi, count), (still, still))
    bits[instances > 0] = 0
    seen = np.where(bits > 0, bits + len(cells), nuclei)
    return (
        seen,
        np.where(bits > 0, bit_depth, depth),
        np.r_[cells.types, np.full(count, LYMPHOID)],
    )
