"""The histogram of an image's colours, and the colours that it has."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

HISTOGRAM_PIXELS = 1 << 19
FEW_BINS = 96


def histogram(
    image: UInt8[Tensor, "b h w 3"], dtype: torch.dtype, least: int = 4
) -> tuple[Float[Tensor, "b n 3"], Float[Tensor, "b n"]]:
    """Mean colour and count of every occupied bin; bins occupied in no image are left out.

    Large images are read at every second, third ... pixel. An image with colours in few bins (grey,
    fluorescence, glass) gets finer ones, so that there are enough landmarks to choose from; ``least`` is the
    number of bits a channel that others get.
    """
    b, h, w, _ = image.shape
    step = max(1, int((h * w / HISTOGRAM_PIXELS) ** 0.5))
    channels = image[:, ::step, ::step].permute(3, 0, 1, 2).reshape(3, b, -1)
    code, counts = _binned(channels, 4)
    bits = [_bits(n, least) for n in (counts > 0).sum(1).tolist()]
    if max(bits) > 4:
        # an image that needs fewer bits than another keeps its own bins: no number depends on neighbours
        mask = torch.tensor([256 - (256 >> n) for n in bits], dtype=torch.uint8, device=image.device)
        code, counts = _binned(channels & mask[:, None], max(bits))
    kept = counts.amax(0).nonzero()[:, 0]
    weights = channels.reshape(3, -1).to(dtype)
    sums = [torch.bincount(code, c, minlength=counts.numel()).view(b, -1)[:, kept] for c in weights]
    counts = counts[:, kept].to(dtype)
    return torch.stack(sums, 2) / counts.clamp_min(1)[..., None], counts


def _binned(channels: UInt8[Tensor, "3 b n"], bits: int) -> tuple[Int[Tensor, " bn"], Int[Tensor, "b bins"]]:
    """The bin of every pixel, with the leading bits of each channel, and how many pixels are in each bin."""
    b = channels.shape[1]
    red, green, blue = (channels >> (8 - bits)).to(torch.int32)
    image = torch.arange(b, device=channels.device, dtype=torch.int32)[:, None]
    code = (image << 3 * bits | red << 2 * bits | green << bits | blue).reshape(-1)
    return code, torch.bincount(code, minlength=b << 3 * bits).view(b, -1)


def _bits(occupied: int, least: int) -> int:
    """Bits a channel for an image with colours in so many bins of four bits."""
    return max(least, 6 if occupied <= FEW_BINS // 2 else 5 if occupied <= FEW_BINS else 4)


def distinct(image: UInt8[Tensor, "1 h w 3"]) -> tuple[Float[Tensor, "n 3"], Int[Tensor, "1 h w"]]:
    """Colours of an image, and the row of every pixel."""
    low = image.amin((0, 1, 2))
    r, g, b = ((image.amax((0, 1, 2)) - low).long() + 1).tolist()
    offset = (image - low).to(torch.int32)
    code = (offset[..., 0] * g + offset[..., 1]) * b + offset[..., 2]
    size = -(-r * g * b // 8) * 8
    present = torch.zeros(size, dtype=torch.uint8, device=image.device)
    present.scatter_(0, code.reshape(-1).long(), 1)
    # eight colours at a time, because most of the cube is empty
    eights = present.view(torch.int64).nonzero()[:, 0]
    inside = present.view(-1, 8)[eights].nonzero()
    codes = eights[inside[:, 0]] * 8 + inside[:, 1]
    row = torch.empty(size, dtype=torch.int32, device=image.device)
    row.scatter_(0, codes, torch.arange(len(codes), dtype=torch.int32, device=image.device))
    colours = torch.stack([codes // (g * b), codes // b % g, codes % b], 1) + low
    return colours.float(), row.index_select(0, code.reshape(-1)).reshape(code.shape)
