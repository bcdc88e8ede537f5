"""Images as they are segmented, for the statistics of batch normalisation.

Views in training are small, turned, and often blurred or noisy. Statistics of them do not fit what a student
is used on: in deep layers most of what a convolution sees of a small view is padding, and squeeze-and-
excitation averages over other areas. On phantoms of 256 px, a MobileNetV3 trained on views of 96 px had Dice
0.71 with statistics of its views and 0.75 with those of whole images; on 512 px 0.69 and 0.77.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from napari_construct.crossmodal.loop.items import ItemStore
from napari_construct.models.network.channel_encoders import MULTIPLE
from napari_construct.training.randomness import epoch_order, generator

SIDE: Final = 256
"""Largest side of a part in pixels."""

PARTS: Final = 40
"""Most parts that are looked at."""

PARTS_OF_AN_IMAGE: Final = 4
TOGETHER: Final = 4
"""Parts in a batch."""


def parts_as_segmented(items: ItemStore, seed: int) -> list[Float[Tensor, "b c h w"]]:
    """Batches of parts of training images, unchanged, in sizes near those that are segmented.

    Parameters
    ----------
    items : ItemStore
        The images.
    seed : int
        Decides images and places; the same for all calls of a run.

    Returns
    -------
    list of Tensor
        (b, c, h, w) float32 in [0, 1]; parts of like size together, cut to the smallest of them, sides
        multiples of what the network takes.
    """
    drawn = generator(seed, "statistics", 0)
    count = len(items)
    places = [
        place for again in range(PARTS_OF_AN_IMAGE) for place in epoch_order(seed, again, count).tolist()
    ]
    parts = sorted((_part(items[place].image, drawn) for place in places[:PARTS]), key=lambda p: p.shape[-2:])
    groups = [parts[start : start + TOGETHER] for start in range(0, len(parts), TOGETHER)]
    return [_stacked(group) for group in groups]


def _part(image: Float[Tensor, "c h w"], drawn: torch.Generator) -> Float[Tensor, "c y x"]:
    """A part at a random place, or the whole image; enlarged by its edge where it is too small."""
    sides = [_multiple(min(side, SIDE)) for side in image.shape[-2:]]
    missing = [max(side - have, 0) for side, have in zip(sides, image.shape[-2:], strict=True)]
    padded = F.pad(image.float()[None], (0, missing[1], 0, missing[0]), mode="replicate")[0]
    top, left = (
        int(torch.randint(0, have - side + 1, (), generator=drawn))
        for have, side in zip(padded.shape[-2:], sides, strict=True)
    )
    return padded[:, top : top + sides[0], left : left + sides[1]]


def _multiple(side: int) -> int:
    return max(side // MULTIPLE, 1) * MULTIPLE


def _stacked(parts: list[Float[Tensor, "c h w"]]) -> Float[Tensor, "b c h w"]:
    rows, columns = (min(part.shape[axis] for part in parts) for axis in (-2, -1))
    return torch.stack([part[:, :rows, :columns] for part in parts])
