"""Place a prototype, from text or from a painted region."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from skimage.filters import threshold_otsu
from torch import Tensor

from napari_construct.classes import TissueClass
from napari_construct.events import Doubt, Event, Notice, Steps
from napari_construct.exceptions import ConfigurationError, EncoderError, InputError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.prepared_image import prepare_image
from napari_construct.inference.activation.resample import model_factor
from napari_construct.inference.activation.stitched_maps import stitched_maps
from napari_construct.inference.decision.record import image_hash
from napari_construct.inference.prototypes.names import Prototype, prototypes_of
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.prototypes.similarity_maps import calibrated, class_shift
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.checkpoints.placed_prototypes import Placed, with_placed
from napari_construct.models.network.descriptions import descriptions, filled
from napari_construct.models.network.prompts import as_text_encoder
from napari_construct.types import RGBImage

MARGIN: Final = 256
"""Pixels of the image around a painted region that are looked at, to see what the region is not."""

LOST: Final = 0.1
"""Share of a painted region that may stay what it was."""

_UNCALIBRATED: Final = Doubt(
    "the model's thresholds and temperature were fitted without the new prototype; fit them again "
    "before areas are compared (napari-construct calibrate)"
)


def place_text(predictor: Predictor, tissue: str, text: str) -> Checkpoint:
    """A prototype from text; several descriptions are separated by ``|`` and averaged.

    Parameters
    ----------
    predictor : Predictor
        A model whose prototypes are in its encoder's text embedding space.
    tissue : str
        Class of the new prototype.
    text : str
        Description of the tissue, for example "solid nests of atypical cells".

    Raises
    ------
    EncoderError
        If the encoder embeds no texts, or the prototypes are not in its embedding space.
    ConfigurationError
        If there is no such class, or no text.
    """
    owner = _owner(predictor, tissue)
    network: Any = predictor.network
    said = [d for d in descriptions(TissueClass(name=tissue, prompt=text.strip())) if text.strip()]
    if not said:
        raise ConfigurationError("expected words that describe the class, got none; write some")
    encoder = as_text_encoder(network.encoder)
    width, bank = predictor.spec.embedding_width, network.head.prototypes
    if bank.vectors.shape[-1] != width:
        raise EncoderError(
            f"{predictor.name}: expected prototypes in the {width} dimensions of {predictor.spec.id}'s "
            f"texts, got {bank.vectors.shape[-1]}; its prototypes are not text embeddings; paint a region "
            "instead"
        )
    with torch.inference_mode():
        means = [F.normalize(encoder.embed_texts(filled(d)).float().mean(0), dim=-1) for d in said]
        vector = F.normalize(torch.stack(means).mean(0), dim=-1)[None].to(bank.vectors)
        if bank.mlp is not None:
            vector = F.normalize(bank.mlp(vector), dim=-1)
        direction = F.normalize(network.head.adaptive_layers[-1](vector)[0], dim=-1)
    origin = {"class": tissue, "text": text.strip()}
    return with_placed(predictor.checkpoint, [Placed(owner, direction.cpu(), 0.0, origin)])


def place_region_steps(
    image: RGBImage,
    region: npt.NDArray[np.bool_],
    predictor: Predictor,
    tissue: str,
    settings: PrototypeSettings | None = None,
    *,
    mpp: float | None = None,
    name: str = "image",
) -> Steps[Checkpoint]:
    """A prototype from a painted region: the direction from what it is not to what it is.

    What it is not are the cells around the region that the model gives to other classes now. Direction and
    offset separate the two: the prototype wins over the other classes in the region and in cells like it.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB.
    region : ndarray
        (h, w) bool, where it is painted.
    predictor : Predictor
        A model of the first stage; any encoder will do.
    tissue : str
        Class of the new prototype.
    settings, mpp, name
        As of :func:`~napari_construct.inference.prototypes.similarity_maps.prototype_steps`.

    Yields
    ------
    Event
        Stage "tiles"; a ``Notice`` that the calibration does not cover the new prototype.

    Raises
    ------
    InputError
        If nothing is painted, or less than a cell of the network's grid.
    ConfigurationError
        If there is no such class, or the model has no prototypes.
    """
    settings = settings or PrototypeSettings()
    owner = _owner(predictor, tissue)
    known = mpp if settings.mpp is None else settings.mpp
    factor = model_factor(known, predictor.mpp, predictor.scale)
    part = _around(region, image, name, predictor.spec.multiple / factor)
    region = np.ascontiguousarray(region[part])
    around = np.ascontiguousarray(image[part])
    seen = prepare_image(around, predictor, settings, mpp=mpp, name=name, maps=1)
    maps, stride = yield from stitched_maps(
        replace(seen, notices=()),  # they describe the part only
        predictor,
        look=lambda tiles: predictor.maps(
            tiles, lambda output: torch.cat([F.normalize(output.embedding, dim=1), output.similarity], 1)
        ),
    )
    prototypes = prototypes_of(predictor.checkpoint)
    grid = torch.from_numpy(maps[0])
    embedding = F.normalize(grid[: -len(prototypes)].flatten(1), dim=0)
    inside = _cells(region, seen.shape, stride, (grid.shape[1], grid.shape[2])).flatten()
    if not bool(inside.any()):
        raise InputError(
            f"{name}: expected a region of at least {2 * stride} pixels a side at the model's resolution, "
            "got a smaller one; paint a larger one"
        )
    drawn, others = _rivals(predictor, prototypes, grid[-len(prototypes) :].flatten(1), owner)
    others &= ~inside
    direction = embedding[:, inside].mean(1)
    if bool(others.any()):
        direction = direction - embedding[:, others].mean(1)
    direction = F.normalize(direction, dim=0)
    offset = _offset(direction @ embedding - drawn, inside, others)
    origin = {
        "class": tissue,
        "region": name,
        "image_sha256": image_hash(image),
        "pixels": int(region.sum()),
        "cells": int(inside.sum()),
    }
    yield Event("tiles", len(seen.plan), len(seen.plan))
    yield Notice("tiles", 1, 1, _UNCALIBRATED)
    return with_placed(predictor.checkpoint, [Placed(owner, direction, offset, origin)])


def changed_predictor(predictor: Predictor, checkpoint: Checkpoint) -> Predictor:
    """The same model and encoder with other prototypes, on the same device."""
    network: Any = predictor.network
    return Predictor(
        checkpoint, str(predictor.device), encoder=network.encoder, name=predictor.name, any_encoder=True
    )


def _owner(predictor: Predictor, tissue: str) -> int:
    names = predictor.classes.names
    if tissue not in names:
        raise ConfigurationError(
            f"expected a class of the model ({', '.join(names)}), got {tissue!r}; choose one of these"
        )
    prototypes_of(predictor.checkpoint)
    return names.index(tissue)


def _around(region: npt.NDArray[np.bool_], image: RGBImage, name: str, step: float) -> tuple[slice, slice]:
    """The rows and columns of the region, with a margin.

    They start at a multiple of ``step``, where the cells of the coarsest level start in the whole image.
    """
    if region.shape != image.shape[:2]:
        raise InputError(
            f"{name}: expected a region of the image's size {image.shape[:2]}, got {region.shape}; paint on "
            "a layer of the same size"
        )
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    if not rows.size:
        raise InputError(
            f"{name}: expected a painted region, got none; paint the tissue that the prototype should match"
        )

    def around(painted: npt.NDArray[np.intp]) -> slice:
        first = max(int(painted[0]) - MARGIN, 0)
        return slice(round(first // step * step), int(painted[-1]) + 1 + MARGIN)

    return around(rows), around(columns)


def _cells(
    region: npt.NDArray[np.bool_], shape: tuple[int, int], stride: int, grid: tuple[int, int]
) -> Tensor:
    """(gh, gw) bool: cells of which more than half is painted."""
    painted = torch.from_numpy(region)[None, None].float()
    painted = F.interpolate(painted, shape, mode="area")
    below, right = grid[0] * stride - shape[0], grid[1] * stride - shape[1]
    painted = F.pad(painted, (0, right, 0, below))
    return F.avg_pool2d(painted, stride)[0, 0] > 0.5


def _rivals(
    predictor: Predictor, prototypes: tuple[Prototype, ...], similarity: Float[Tensor, "n m"], owner: int
) -> tuple[Float[Tensor, " m"], Bool[Tensor, " m"]]:
    """Of every cell the cosine at which a prototype without offset would draw with the other classes.

    And whether one of them has the cell now.
    """
    gain, shift = calibrated(predictor, prototypes)
    own = torch.tensor([p.owner == owner for p in prototypes])
    if bool(own.all()):  # one class alone: it draws with zero
        return torch.zeros(similarity.shape[1]), torch.zeros(similarity.shape[1], dtype=torch.bool)
    logits = gain * similarity + torch.from_numpy(shift)[:, None]
    best = logits[~own].amax(0)
    return (best - class_shift(predictor, owner)) / gain, best > logits[own].amax(0)


def _offset(lead: Float[Tensor, " m"], inside: Bool[Tensor, " m"], others: Bool[Tensor, " m"]) -> float:
    """Threshold between the cells of the region and those of other classes (Otsu 1979).

    ``lead`` is by how much the cosine of a cell exceeds the one at which it draws. Most of the region
    wins in any case.
    """
    values = lead[inside | others].numpy()
    low = float(lead[inside].quantile(LOST))
    if float(np.ptp(values)) < 1e-6:
        return low - 1e-3
    split: Any = threshold_otsu(values)  # type: ignore[no-untyped-call]
    return min(float(split), low)
