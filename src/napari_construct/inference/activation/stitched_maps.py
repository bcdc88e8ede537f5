"""Maps of a whole image from tiles and views through the network."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from napari_construct.events import Event, Notice
from napari_construct.exceptions import InputError
from napari_construct.inference.activation.distance_map import DistanceMap
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.prepared_image import PreparedImage
from napari_construct.inference.activation.tiling import Stitcher, Tile, TilePlan, cam_stride
from napari_construct.refinement.views import View
from napari_construct.types import FloatArray

PIXELS_AT_ONCE: Final = 8 * 512 * 512
"""Pixels per batch on an accelerator; a CPU takes one tile at a time, which lets a cancel act sooner and
is not slower."""


def stitched_maps(
    image: PreparedImage,
    predictor: Predictor,
    *,
    views: Sequence[View] = (View(),),
    look: Callable[[Tensor], Tensor] | None = None,
    distances: DistanceMap | None = None,
) -> Generator[Event, None, tuple[FloatArray, int]]:
    """Maps of every view (v, c, gh, gw) of an image, and the pixels per cell.

    Parameters
    ----------
    image : PreparedImage
        Of :func:`~napari_construct.inference.activation.prepared_image.prepare_image`.
    predictor : Predictor
        The model.
    views : sequence of View
        By default the unchanged image.
    look : callable, optional
        From (b, 3, h, w) to (b, c, gh, gw); the predictor's CAM logits by default.
    distances : DistanceMap, optional
        Is told the network's output of the unchanged image; only without ``look``.

    Yields
    ------
    Event
        Stage "tiles": the image's notices, then one event per batch of tiles.
    """
    plan = image.plan
    total = len(plan) * len(views)
    for notice in image.notices:
        yield Notice("tiles", 0, total, notice)

    def shown(tiles: Sequence[Tile], view: View, batch: Tensor) -> Tensor:
        return look_at(predictor, tiles, view, batch, look=look, distances=distances)

    return (
        yield from stitch_steps(
            image.pixels,
            plan,
            shown,
            views=views,
            multiple=predictor.spec.multiple,
            at_once=1 if predictor.device.type == "cpu" else PIXELS_AT_ONCE,
        )
    )


def look_at(
    predictor: Predictor,
    tiles: Sequence[Tile],
    view: View,
    batch: Float[Tensor, "b 3 h w"],
    *,
    look: Callable[[Tensor], Tensor] | None = None,
    distances: DistanceMap | None = None,
) -> Float[Tensor, "b c gh gw"]:
    """Maps of a view of tiles, turned back; arguments as of :func:`stitched_maps`."""
    seen = view.apply(batch, predictor.mean if predictor.published else None)  # brightness is scaled about it
    if look is not None:
        found = look(seen)
    elif distances is not None and view == View():
        found = predictor.maps(seen, _told(distances, tiles, seen))
    else:
        found = predictor.logits(seen)
    return view.undo(found)


def stitch_steps(
    pixels: NDArray[np.uint8] | FloatArray,
    plan: TilePlan,
    look: Callable[[Sequence[Tile], View, Tensor], Tensor],
    *,
    views: Sequence[View] = (View(),),
    multiple: int,
    at_once: int = 1,
) -> Generator[Event, None, tuple[FloatArray, int]]:
    """Maps (v, m, gh, gw) of tiles joined without seams, and the pixels per cell.

    Parameters
    ----------
    pixels : ndarray
        (h, w, c), padded as the plan says: uint8, which is divided by 255, or float32.
    plan : TilePlan
        The tiles.
    look : callable
        From tiles, a view and their pixels (b, c, h, w) to maps (b, m, gh, gw) of the unchanged tiles.
    views : sequence of View
        Maps of each are held apart.
    multiple : int
        What the stride of the maps divides.
    at_once : int
        Pixels per batch of tiles; at least one tile is in it.

    Yields
    ------
    Event
        Stage "tiles", one per batch of tiles.
    """
    total, channels = len(plan) * len(views), 0
    stitcher, stride, done = None, 1, 0
    yield Event("tiles", 0, total)
    for tiles in _batches(plan, at_once):
        batch = as_batch([pixels[t.y : t.y + t.height, t.x : t.x + t.width] for t in tiles])
        for i, view in enumerate(views):
            maps = look(tiles, view, batch).numpy()
            if stitcher is None:
                channels = maps.shape[1]
                stride = cam_stride(tiles[0], maps.shape[-2:], multiple)
                stitcher = Stitcher(plan, len(views) * channels, stride)
            for tile, tile_maps in zip(tiles, maps, strict=True):
                stitcher.add(tile, tile_maps, slice(i * channels, (i + 1) * channels))
            done += len(tiles)
            yield Event("tiles", done, total)
    if stitcher is None:
        raise InputError("expected an image with at least one tile, got none; use a larger region")
    stitched = stitcher.mean()
    return stitched.reshape(len(views), channels, *stitched.shape[1:]), stride


def _told(distances: DistanceMap, tiles: Sequence[Tile], images: Tensor) -> Callable[[Any], Tensor]:
    """Reads the logits from the network's output, after the distances were found from its levels."""

    def read(output: Any) -> Tensor:
        distances.add(tiles, images, output)
        cam: Tensor = output.cam
        return cam

    return read


def _batches(plan: TilePlan, at_once: int) -> list[tuple[Tile, ...]]:
    first = plan.tiles[0]
    size = max(at_once // (first.height * first.width), 1)
    return [plan.tiles[i : i + size] for i in range(0, len(plan), size)]


def as_batch(tiles: Sequence[NDArray[np.uint8] | FloatArray]) -> Float[Tensor, "b c h w"]:
    """Tiles (h, w, c) as the network takes them; uint8 becomes [0, 1]."""
    batch = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).float()
    return batch.div_(255) if tiles[0].dtype == np.uint8 else batch
