"""Where numba is installed, its compiled kernels count colours and make their features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.refinement.dense_crf.compiled import LANES, flat, load, serving


def runs_compiled(
    colours: Float[Tensor, "b n 3"], weights: Float[Tensor, "b m r1"], dtype: torch.dtype
) -> bool:
    """Whether the kernels serve colours of these types."""
    types = colours.dtype == torch.float32 and dtype in {torch.float32, torch.bfloat16}
    fits = types and weights.shape[2] % LANES == 0
    return fits and serving("fitting", colours.device, len(colours)) is not None


def filler(
    colours: Float[Tensor, "1 n 3"],
    landmarks: Float[Tensor, "1 m 3"],
    weights: Float[Tensor, "1 m r1"],
    features: Tensor,
    missing: Float[Tensor, "1 n"],
    size: int,
) -> Callable[[int], None]:
    """Return a function that fills features (1, n, r1), and 1 - |phi|^2, of ``size`` colours from one on.

    Colours and landmarks are in standard deviations of the kernel.
    """
    fitting = load("fitting")
    m = landmarks.shape[1]
    table = landmarks.new_zeros(3, -(-m // LANES) * LANES)
    table[:, :m] = landmarks[0].T
    given = flat(table), flat(weights)

    def fill(start: int) -> None:
        part = slice(start, start + size)
        kept = flat(features[:, part]), flat(missing[:, part])
        fitting.features(flat(colours[:, part]), *given, *kept, weights.shape[2])

    return fill


def histogram(
    pixels: UInt8[Tensor, "n 3"], bits_for: Callable[[int], int]
) -> tuple[Float[Tensor, "bins 3"], Float[Tensor, " bins"]]:
    """Mean colour and count of every bin that has pixels, float64.

    ``bits_for`` tells the bits a channel from the number of bins of four bits that have pixels.
    """
    fitting, given = load("fitting"), flat(pixels.contiguous())
    counts = np.zeros(1 << 12)
    found = fitting.occupied(given, 4, counts)
    bits = bits_for(found)
    if bits != 4:
        counts = np.zeros(1 << 3 * bits)
        found = fitting.occupied(given, bits, counts)
    means = np.zeros(3 * found)
    fitting.mean_colours(given, bits, counts, means)
    return torch.from_numpy(means.reshape(-1, 3)), torch.from_numpy(counts[:found].copy())
