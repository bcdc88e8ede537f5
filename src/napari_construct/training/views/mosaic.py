"""Mosaics: part of one patch pasted over another, with the labels of both known by place.

Image-level labels say what a patch contains, not where. A patch made of two says a little more: the
classes of each part are known for that part. A CAM that answers for each part separately has to
decide by the tissue in front of it, not by the look of the whole slide (compare CutMix, Yun et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

SMALLEST, LARGEST = 0.3, 0.7
"""Share of the side that is pasted."""


@dataclass(frozen=True, slots=True)
class Strips:
    """Where strips lie in some views, and which view each comes from.

    Attributes
    ----------
    partner : Tensor
        (b,) int64, the view each strip comes from.
    size : Tensor
        (b,) share of the side that is pasted; 0 where there is no strip.
    side : Tensor
        (b,) 0 to 3: top, bottom, left, right.
    """

    partner: Int[Tensor, " b"]
    size: Float[Tensor, " b"]
    side: Int[Tensor, " b"]

    def masks(self, h: int, w: int) -> Bool[Tensor, "b h w"]:
        """Pixels of views of h rows and w columns that a strip covers."""
        rows, columns = (torch.arange(h) + 0.5) / h, (torch.arange(w) + 0.5) / w
        position = torch.where((self.side < 2)[:, None, None], rows[None, :, None], columns[None, None, :])
        position = torch.where((self.side % 2 == 0)[:, None, None], position, 1 - position)
        return position < self.size[:, None, None]


def draw_strips(b: int, share: float, generator: torch.Generator) -> Strips:
    """Strips for ``share`` of b views; equal generators give equal strips."""
    partner = torch.randperm(b, generator=generator)
    chosen = torch.rand(b, generator=generator) < share
    size = SMALLEST + (LARGEST - SMALLEST) * torch.rand(b, generator=generator)
    side = torch.randint(4, (b,), generator=generator)
    return Strips(partner, torch.where(chosen, size, torch.zeros_like(size)), side)


def paste(
    images: Float[Tensor, "b 3 h w"], share: float, generator: torch.Generator
) -> tuple[Float[Tensor, "b 3 h w"], Bool[Tensor, "b h w"], Int[Tensor, " b"]]:
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
    strips = draw_strips(b, share, generator)
    pasted, partner = strips.masks(h, w).to(images.device), strips.partner.to(images.device)
    return torch.where(pasted[:, None], images[partner], images), pasted, partner


def share_of_cells(pasted: Bool[Tensor, "b h w"], shape: tuple[int, int]) -> Float[Tensor, "b gh gw"]:
    """Share of each CAM cell that is pasted, 0 to 1."""
    return F.adaptive_avg_pool2d(pasted[:, None].float(), shape)[:, 0]
