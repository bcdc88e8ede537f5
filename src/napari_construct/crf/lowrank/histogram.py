"""The histogram of an image's colours, and the colours that it has."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from napari_construct.crf.base.numba_gate import flat, kernels_serve

HISTOGRAM_PIXELS = 1 << 19
BINS = 4096
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
    pixels = image[:, ::step, ::step].reshape(b, -1, 3)
    if dtype == torch.float64 and kernels_serve(image.device, b):
        return _compiled(pixels, least)
    own = torch.arange(b, device=image.device, dtype=torch.int32)[:, None]
    occupied = torch.zeros(b, BINS, dtype=torch.uint8, device=image.device)
    occupied.view(-1).scatter_(0, (_code(pixels, 4) + BINS * own).reshape(-1).long(), 1)
    bits = [_bits(n, least) for n in occupied.sum(1).tolist()]
    most = max(bits)
    # an image that needs fewer bits than another keeps its own bins: no number depends on neighbours
    mask = torch.tensor([256 - (256 >> n) for n in bits], dtype=torch.uint8, device=image.device)
    code = (_code(pixels & mask[:, None, None], most) + (own << 3 * most)).reshape(-1)
    bins = b << 3 * most
    counts = torch.bincount(code, minlength=bins).reshape(b, -1)
    kept = counts.amax(0).nonzero()[:, 0]
    values = pixels.reshape(-1, 3).to(dtype)
    sums = [torch.bincount(code, values[:, c], minlength=bins).reshape(b, -1)[:, kept] for c in range(3)]
    counts = counts[:, kept].to(dtype)
    return torch.stack(sums, 2) / counts.clamp_min(1)[..., None], counts


def _compiled(
    pixels: UInt8[Tensor, "1 n 3"], least: int
) -> tuple[Float[Tensor, "1 bins 3"], Float[Tensor, "1 bins"]]:
    from napari_construct.crf.kernels import colour_kernels

    given, counts = flat(pixels.contiguous()), np.zeros(BINS)
    found = colour_kernels.occupied(given, 4, counts)
    bits = _bits(found, least)
    if bits != 4:
        counts = np.zeros(1 << 3 * bits)
        found = colour_kernels.occupied(given, bits, counts)
    means = np.zeros(3 * found)
    colour_kernels.mean_colours(given, bits, counts, means)
    return torch.from_numpy(means).view(1, -1, 3), torch.from_numpy(counts[:found].copy())[None]


def _code(image: UInt8[Tensor, "*b 3"], bits: int) -> Int[Tensor, "*b"]:
    """The leading bits of the three channels as one number."""
    q = (image >> (8 - bits)).to(torch.int32)
    return (q[..., 0] << 2 * bits) | (q[..., 1] << bits) | q[..., 2]


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
