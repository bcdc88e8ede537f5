"""Large images: overlapping tiles with one set of colour features."""

from __future__ import annotations

import math
from collections.abc import Generator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.crf.base.params import CRFParameters
from napari_construct.crf.factorisation import Factorisation
from napari_construct.crf.lowrank.colours import fit_colours
from napari_construct.crf.lowrank.settings import accuracy_of, rank_limit, settings_for
from napari_construct.crf.narrow.choice import cell, summed
from napari_construct.exceptions import ConfigurationError

HALO = 8.0
"""Width of the halo in standard deviations of the wider kernel."""

MIN_TILE = 32


def halo(parameters: CRFParameters) -> int:
    """Pixels added on every side of a tile."""
    return math.ceil(HALO * max(parameters.smoothness_sigma, parameters.appearance_sigma_xy))


def units(shape: tuple[int, int, int], tile: int, iterations: int) -> int:
    """How many lattices and iterations :func:`refine_in_tiles` finishes for b images of h x w pixels."""
    b, h, w = shape
    return b * math.ceil(h / tile) * math.ceil(w / tile) * (1 + iterations)


def refine_in_tiles(
    image: UInt8[Tensor, "b h w 3"],
    probabilities: Float[Tensor, "b k h w"],
    parameters: CRFParameters,
    *,
    tile: int,
    accuracy: str,
) -> Generator[bool, None, tuple[Float[Tensor, "b k h w"], Tensor | None, int, float]]:
    """Refine tile by tile; memory depends on the tile, not on the image (but for input and output).

    The colour features are fitted to the whole image, so tiles differ from the whole by what lies
    beyond the halo only. One message reaches about four standard deviations, and every iteration passes
    it on: on 256 px of H&E, tiles of 100 px with halos of 4, 6 and 8 standard deviations give 99.8, 99.9
    and 99.97 % of the labels of the whole. Yields True after the lattice and after every iteration of every
    tile, and False within long ones.

    Returns
    -------
    tuple
        Refined probabilities, labels (None for many), rank, and error of the colour features.
    """
    if tile < MIN_TILE:
        raise ConfigurationError(
            f"expected tiles of at least {MIN_TILE} pixels, got {tile}; leave it to the default"
        )
    margin = halo(parameters)
    _, h, w, _ = image.shape
    refined = torch.empty_like(probabilities)
    labels: Tensor | None = probabilities.new_empty(len(image), h, w, dtype=torch.uint8)
    rank, error = 0, 0.0
    settings = settings_for(accuracy, h * w, image.device)
    chosen = accuracy_of(accuracy, h * w)
    s = cell(parameters, settings)
    for index in range(len(image)):
        pixels = image[index : index + 1]
        sigma = parameters.appearance_sigma_rgb
        limit = rank_limit(settings, sigma, (tile + 2 * margin) ** 2)
        colours = None
        if not summed(parameters, settings):
            colours = fit_colours(pixels, sigma, settings.tolerance, limit)
            rank, error = max(rank, colours.rank), max(error, *colours.errors)
        yield False
        for top in range(0, h, tile):
            for left in range(0, w, tile):
                # tiles start where cells of the whole image do, so that both share one grid
                y, x = (max(0, (start - margin) // s * s) for start in (top, left))
                bottom, right = min(h, top + tile), min(w, left + tile)
                outer = (slice(y, min(h, bottom + margin)), slice(x, min(w, right + margin)))
                made = Factorisation(
                    pixels[:, outer[0], outer[1]], parameters, accuracy=chosen, colours=colours
                )
                yield True
                part, part_labels = yield from made.refine_tensor(
                    probabilities[index : index + 1, :, outer[0], outer[1]], parameters
                )
                inner = (slice(top - y, bottom - y), slice(left - x, right - x))
                refined[index : index + 1, :, top:bottom, left:right] = part[:, :, *inner]
                if labels is not None and part_labels is not None:
                    labels[index : index + 1, top:bottom, left:right] = part_labels[:, *inner]
                else:
                    labels = None
    return refined, labels, rank, error
