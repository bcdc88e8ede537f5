"""Run a student over an image: foreground and boundary at every pixel."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_construct.events import Notice, SizeAssumed, Steps
from napari_construct.inference.activation.memory import check_result_size
from napari_construct.inference.activation.prepared_image import TileSettings
from napari_construct.inference.activation.resample import model_shape
from napari_construct.inference.activation.stitched_maps import PIXELS_AT_ONCE, stitch_steps
from napari_construct.inference.activation.tiling import Tile, pad_image, plan_tiles
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.refinement.views import View
from napari_construct.types import FloatArray, ShortRepr


@dataclass(frozen=True, slots=True, repr=False)
class CellMaps(ShortRepr):
    """What the network says of an image.

    Attributes
    ----------
    foreground, boundary : ndarray
        (h, w) float32 in [0, 1], of the image's size.
    mpp : float or None
        Micrometres per pixel of the image.
    name : str
        Of the image.
    notices : tuple of str
        What was noticed.
    record : mapping
        Tiles, times, shape at the model's resolution.
    """

    foreground: FloatArray
    boundary: FloatArray
    mpp: float | None
    name: str
    notices: tuple[str, ...]
    record: Mapping[str, Any]


def cell_map_steps(
    channels: FloatArray,
    predictor: CellPredictor,
    settings: TileSettings,
    *,
    mpp: float | None = None,
    name: str = "image",
) -> Steps[CellMaps]:
    """Foreground and boundary of an image, tile by tile.

    Parameters
    ----------
    channels : ndarray
        (c, h, w) float32 in [0, 1]: the channels that the model looks at, normalised.
    predictor : CellPredictor
        The model.
    settings : CellSettings
        ``tile``, ``overlap`` and ``mpp`` are read.
    mpp : float, optional
        Micrometres per pixel of the image; ``settings.mpp`` overrides it.
    name : str
        Of the image in events, errors and records.

    Yields
    ------
    Event
        Stage "tiles"; a notice when the image is resampled.

    Raises
    ------
    InputError
        If the image is too large for memory, or its resolution is far from the model's.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    size = (channels.shape[1], channels.shape[2])
    mpp = settings.mpp if settings.mpp is not None else mpp
    shape = model_shape(size, mpp, predictor.mpp, name)
    check_result_size(size, 2, name, shape, grid=16.0)  # two sums of float32, and their mean
    notices = _notices(name, size, shape, mpp, predictor)
    for text in notices:
        yield Notice("tiles", 0, 0, text)
    seen = resized_maps(channels, shape)
    plan = plan_tiles(shape, settings.tile, settings.overlap, predictor.multiple)
    pixels = pad_image(np.ascontiguousarray(seen.transpose(1, 2, 0)), plan.padded)

    def look(_: Sequence[Tile], __: View, batch: Tensor) -> Tensor:
        return predictor.probabilities(batch)

    at_once = 1 if predictor.device.type == "cpu" else PIXELS_AT_ONCE
    maps, _ = yield from stitch_steps(pixels, plan, look, multiple=predictor.multiple, at_once=at_once)
    foreground, boundary = resized_maps(maps[0], size)
    return CellMaps(
        foreground,
        boundary,
        mpp,
        name,
        notices,
        {
            "started": started.isoformat(timespec="seconds"),
            "seconds": time.perf_counter() - clock,
            "tiles": len(plan),
            "shape_at_model_resolution": list(shape),
        },
    )


def resized_maps(maps: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """(m, h, w) float32 at another size, bilinear, antialiased where it shrinks."""
    if maps.shape[-2:] == shape:
        return maps
    values = torch.from_numpy(np.ascontiguousarray(maps))[None]
    found: FloatArray = F.interpolate(values, shape, mode="bilinear", align_corners=False, antialias=True)[
        0
    ].numpy()
    return found


def _notices(
    name: str, size: tuple[int, int], shape: tuple[int, int], mpp: float | None, predictor: CellPredictor
) -> tuple[str, ...]:
    model = predictor.mpp
    if model is not None and mpp is None:
        said = (
            f"{name}: its resolution is unknown; it is assumed to be the model's ({model:.4g} um per pixel); "
            "give its pixel size if it differs (--mpp, in Python mpp)"
        )
        return (SizeAssumed(said),)
    if size == shape or mpp is None or model is None:
        return ()
    verb = "enlarged" if shape[0] > size[0] else "reduced"
    said = (
        f"{name}: {mpp:.4g} um per pixel, the model was trained at {model:.4g}; the image is {verb} from "
        f"{size[0]} x {size[1]} to {shape[0]} x {shape[1]} pixels for the model; the result has the image's "
        "size"
    )
    return (said,)
