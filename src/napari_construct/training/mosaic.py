"""Mosaics: part of one patch pasted over another, with the labels of both known by place.

Image-level labels say what a patch contains, not where. A patch made of two says a little more: the
classes of each part are known for that part. A CAM that answers for each part separately has to
decide by the tissue in front of it, not by the look of the whole slide (compare CutMix, Yun et al. 2019).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

SMALLEST, LARGEST = 0.3, 0.7
"""Share of the side that is pasted."""


def paste(
    images: Float[Tensor, "b 3 h w"], share: float, generator: torch.Generator
) -> tuple[Float[Tensor, "b 3 h w"], Bool[Tensor, "b h w"], Tensor]:
    """Paste a strip of another view at one side of some views.

    Parameters
    ----------
    images : Tensor
        Views.
    share : float
        Of views that receive a strip, 0 to 1.
    generator : torch.Generator
        A CPU generator; equal states give equal mosaics.

    Returns
    -------
    images : Tensor
        (b, 3, h, w) with strips.
    pasted : Tensor
        (b, h, w) bool, true where a strip lies.
    partner : Tensor
        (b,) int64, the view each strip comes from.
    """
    b, _, h, w = images.shape
    partner = torch.randperm(b, generator=generator)
    chosen = torch.rand(b, generator=generator) < share
    size = SMALLEST + (LARGEST - SMALLEST) * torch.rand(b, generator=generator)
    side = torch.randint(4, (b,), generator=generator)
    rows, columns = (torch.arange(h) + 0.5) / h, (torch.arange(w) + 0.5) / w
    position = torch.where((side < 2)[:, None, None], rows[None, :, None], columns[None, None, :])
    position = torch.where((side % 2 == 0)[:, None, None], position, 1 - position)
    pasted = ((position < size[:, None, None]) & chosen[:, None, None]).to(images.device)
    partner = partner.to(images.device)
    return torch.where(pasted[:, None], images[partner], images), pasted, partner


def share_of_cells(pasted: Bool[Tensor, "b h w"], shape: tuple[int, int]) -> Float[Tensor, "b gh gw"]:
    """Share of each CAM cell that is pasted, 0 to 1."""
    return F.adaptive_avg_pool2d(pasted[:, None].float(), shape)[:, 0]
