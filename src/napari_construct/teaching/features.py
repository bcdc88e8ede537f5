"""Features of cells of an image, read where they are needed: of the tiles that hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from napari_construct.events import Event, Steps
from napari_construct.inference.activation.prepared_image import PreparedImage
from napari_construct.inference.activation.stitched_maps import as_batch
from napari_construct.inference.activation.tiling import Tile, TilePlan
from napari_construct.models.network.taught import Seen

STAGE: Final = "features"

Look = Callable[[Tensor], Seen]
"""From (1, 3, h, w) to what is seen of it."""


@dataclass(frozen=True, slots=True)
class CellFeatures:
    """What is known of some cells.

    Attributes
    ----------
    features : Tensor
        (n, c) float32 on the CPU: all levels, enlarged to the finest.
    base : Tensor
        (n, known) what the base says; no columns without a base.
    """

    features: Float[Tensor, "n c"]
    base: Float[Tensor, "n known"]


def cell_features(
    image: PreparedImage,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    stride: int,
    look: Look,
    name: str = "image",
) -> Steps[CellFeatures]:
    """Features of cells, in their order; a cell is read from the tile in whose middle it lies most.

    Parameters
    ----------
    image : PreparedImage
        At the model's resolution.
    rows, columns : ndarray
        (n,) at least one cell of the finest level.
    stride : int
        Pixels per cell.
    look : callable
        The network on a tile.
    name : str
        Of the image, in events.

    Yields
    ------
    Event
        Stage "features", after every tile.
    """
    owners = _owners(image.plan, (rows + 0.5) * stride, (columns + 0.5) * stride)
    wanted = np.unique(owners)
    found: list[CellFeatures] = []
    order: list[NDArray[np.intp]] = []
    for done, owner in enumerate(wanted.tolist(), start=1):
        tile, here = image.plan.tiles[owner], np.flatnonzero(owners == owner)
        seen = look(as_batch([_pixels(image, tile)]))
        found.append(_at(seen, rows[here] - tile.y // stride, columns[here] - tile.x // stride))
        order.append(here)
        yield Event(STAGE, done, len(wanted), name)
    back = torch.from_numpy(np.argsort(np.concatenate(order)))
    return CellFeatures(
        torch.cat([part.features for part in found])[back], torch.cat([part.base for part in found])[back]
    )


def _pixels(image: PreparedImage, tile: Tile) -> NDArray[np.uint8]:
    return image.pixels[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]


def _owners(plan: TilePlan, y: NDArray[np.floating[Any]], x: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Index of the tile whose centre is nearest on both axes; tiles lie on a grid, row by row."""
    tops, lefts = sorted({t.y for t in plan.tiles}), sorted({t.x for t in plan.tiles})
    first = plan.tiles[0]
    down = np.abs(y[:, None] - (np.array(tops) + first.height / 2)).argmin(1)
    across = np.abs(x[:, None] - (np.array(lefts) + first.width / 2)).argmin(1)
    found: NDArray[np.intp] = down * len(lefts) + across
    return found


def _at(seen: Seen, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> CellFeatures:
    """The same values as enlarging every level bilinearly, at some cells only."""
    h, w = seen.levels[0].shape[-2:]
    places = np.stack([(columns + 0.5) / w * 2 - 1, (rows + 0.5) / h * 2 - 1], -1)[None, None]
    grid = torch.from_numpy(places.astype(np.float32))

    def read(level: Tensor) -> Float[Tensor, "n c"]:
        found = F.grid_sample(
            level.float(), grid.to(level.device), mode="bilinear", padding_mode="border", align_corners=False
        )
        return found[0, :, 0].T.cpu()

    base = torch.zeros(len(rows), 0) if seen.base is None else read(seen.base)
    return CellFeatures(torch.cat([read(level) for level in seen.levels], 1), base)
