"""The expensive part: tiles and views through the network."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.events import Event, Notice, Steps
from napari_construct.exceptions import InputError
from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.activation.memory import check_result_size
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.resample import model_shape, resample_image
from napari_construct.inference.activation.tiling import (
    Stitcher,
    Tile,
    TilePlan,
    cam_stride,
    pad_image,
    plan_tiles,
)
from napari_construct.inference.settings import SegmentSettings
from napari_construct.refinement.cam import rescale
from napari_construct.refinement.views import VIEWS, View
from napari_construct.types import FloatArray, RGBImage

LEAST_SIDE: Final = 16
"""Shortest side in pixels an image may have."""

_PIXELS_AT_ONCE: Final = 8 * 512 * 512
"""Pixels per batch on an accelerator; a CPU takes one tile at a time, which lets a cancel act sooner and
is not slower."""


def cam_steps(
    image: RGBImage,
    predictor: Predictor,
    settings: SegmentSettings | None = None,
    *,
    mpp: float | None = None,
    name: str = "image",
) -> Steps[Activation]:
    """Run the network over an image, tile by tile and view by view.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB, at least 16 pixels a side.
    predictor : Predictor
        The model.
    settings : SegmentSettings, optional
        ``views``, ``tile``, ``overlap`` and ``mpp`` are read.
    mpp : float, optional
        Micrometres per pixel as the file or layer says; ``settings.mpp`` goes before it.
    name : str
        What events, errors and records call the image.

    Yields
    ------
    Event
        Stage "tiles", one per batch of tiles; a ``Notice`` when the image is resampled.

    Returns
    -------
    Activation
        CAM logits of the whole image.

    Raises
    ------
    InputError
        If the image is no RGB uint8, too small, too large for memory, or its resolution is far from
        the model's.
    """
    settings = settings or SegmentSettings()
    check_image(image, name)
    check_result_size((image.shape[0], image.shape[1]), len(predictor.classes), name)
    mpp = settings.mpp if settings.mpp is not None else mpp
    shape = model_shape((image.shape[0], image.shape[1]), mpp, predictor.mpp, name, predictor.scale)
    plan = plan_tiles(shape, settings.tile, settings.overlap, predictor.spec.multiple)
    started, clock = datetime.now(UTC), time.perf_counter()
    notices = resolution_notices(name, image.shape, shape, mpp, predictor)
    views = VIEWS[settings.views or predictor.calibration.views]
    for notice in notices:
        yield Notice("tiles", 0, len(plan) * len(views), notice)
    padded = pad_image(resample_image(image, shape), plan.padded)
    maps, stride = yield from stitched_maps(padded, predictor, plan, views=views)
    return Activation(
        image=image,
        logits=maps.mean(0),
        rescaled=rescale(torch.from_numpy(maps)).mean(0).numpy() if predictor.published else None,
        cells=(shape[0] / stride, shape[1] / stride),
        stride=stride,
        mpp=mpp,
        name=name,
        notices=notices,
        record={
            "started": started.isoformat(timespec="seconds"),
            "seconds": time.perf_counter() - clock,
            "tiles": len(plan),
            "views": len(views),
            "shape_at_model_resolution": list(shape),
        },
    )


def check_image(image: Any, name: str) -> None:
    """Refuse what is not RGB uint8 of at least 16 pixels a side."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{getattr(image, 'shape', type(image).__name__)} {getattr(image, 'dtype', '')}".strip()
        raise InputError(
            f"{name}: expected an RGB image of shape (h, w, 3) and type uint8, got {found}; "
            "convert it with napari_construct.data.images.as_rgb"
        )
    if min(image.shape[:2]) < LEAST_SIDE:
        raise InputError(
            f"{name}: expected at least {LEAST_SIDE} pixels a side, got {image.shape[0]} x {image.shape[1]}; "
            "use a larger region"
        )


def resolution_notices(
    name: str, before: tuple[int, ...], after: tuple[int, int], mpp: float | None, predictor: Predictor
) -> tuple[str, ...]:
    """What the user should know of a change of resolution."""
    if before[:2] == after:
        return ()
    if mpp is None or predictor.mpp is None:
        of_patches = "" if predictor.mpp is None else f" ({predictor.mpp * predictor.scale:.4g} um per pixel)"
        sentence = (
            f"{name}: its resolution is not known, so it is taken to be that of the training patches"
            f"{of_patches}; give mpp if it is another one"
        )
        return (sentence,)
    verb = "enlarged" if after[0] > before[0] else "reduced"
    sentence = (
        f"{name}: {mpp:.4g} um per pixel, the model was trained at {predictor.mpp:.4g}; "
        f"it is {verb} from {before[0]} x {before[1]} to {after[0]} x {after[1]} pixels for the model; "
        "the result has the image's size"
    )
    return (sentence,)


def stitched_maps(
    image: RGBImage,
    predictor: Predictor,
    plan: TilePlan,
    *,
    views: Sequence[View] = (View(),),
    look: Callable[[Tensor], Tensor] | None = None,
) -> Generator[Event, None, tuple[FloatArray, int]]:
    """Maps of every view (v, c, gh, gw) of a padded image, and the pixels per cell.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB, padded as the plan says.
    predictor : Predictor
        The model.
    plan : TilePlan
        Where tiles lie.
    views : sequence of View
        The image as it is, by default.
    look : callable, optional
        From (b, 3, h, w) to (b, c, gh, gw); the predictor's CAM logits by default.

    Yields
    ------
    Event
        Stage "tiles", one per batch of tiles.
    """
    look = look or predictor.logits
    total, channels = len(plan) * len(views), 0
    about = predictor.mean if predictor.published else None  # the point brightness is scaled about
    stitcher, stride, done = None, 1, 0
    yield Event("tiles", 0, total)
    for tiles in _batches(plan, predictor.device.type):
        batch = _tensor(image, tiles)
        for i, view in enumerate(views):
            maps = view.undo(look(view.apply(batch, about))).numpy()
            if stitcher is None:
                channels = maps.shape[1]
                stride = cam_stride(tiles[0], maps.shape[-2:], predictor.spec.multiple)
                stitcher = Stitcher(plan, len(views) * channels, stride)
            for tile, tile_maps in zip(tiles, maps, strict=True):
                stitcher.add(tile, tile_maps, slice(i * channels, (i + 1) * channels))
            done += len(tiles)
            yield Event("tiles", done, total)
    if stitcher is None:
        raise InputError("expected an image with at least one tile, got none; use a larger region")
    stitched = stitcher.mean()
    return stitched.reshape(len(views), channels, *stitched.shape[1:]), stride


def _batches(plan: TilePlan, device: str) -> list[tuple[Tile, ...]]:
    first = plan.tiles[0]
    size = 1 if device == "cpu" else max(_PIXELS_AT_ONCE // (first.height * first.width), 1)
    return [plan.tiles[i : i + size] for i in range(0, len(plan), size)]


def _tensor(image: RGBImage, tiles: Sequence[Tile]) -> Float[Tensor, "b 3 h w"]:
    """RGB in [0, 1] of some tiles."""
    pixels = np.stack([image[t.y : t.y + t.height, t.x : t.x + t.width] for t in tiles])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
